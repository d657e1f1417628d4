#!/usr/bin/env python3
"""Prepare the environment that `make` runs everything in: `.venv` with the locked packages.

Standard library only, and readable by Pythons far older than the one Kameng needs, so that these
get an answer instead of a syntax error. Nothing to do costs a fraction of a second: the lock files'
hash is stamped into the environment after, and only after, everything in it is installed.

Usage: setup.py [--with-tests]
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys

MINIMUM = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PROJECT = os.path.join(ROOT, "pyproject.toml")
STAMP = "kameng-setup"
WINDOWS = os.name == "nt"

# What pip is told, in the words of uv. Whoever configured pip need not configure uv as well.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "no-index": "UV_NO_INDEX",
}


# A slow link may take its time; an index that hangs, or sends a byte now and then, must not have it for ever.
STEP_SECONDS = 1800
LAST_WORDS_SECONDS = 5

UNREACHABLE = r"connect|resolve|network|timed? ?out|dns|unreachable|No matching distribution|failed to fetch"
APT_VENV = "on Debian or Ubuntu: apt install python{}.{}-venv".format(*sys.version_info[:2])


class SetupError(Exception):
    """What went wrong and what to do about it, in one line."""


def say(text):
    """Print one line of progress at once, also into a pipe."""
    sys.stdout.write("setup: " + text + "\n")
    sys.stdout.flush()


def python_complaint(version):
    """Return the line for a Python that is too old, or None if `version` (major, minor, ...) will do."""
    if tuple(version[:2]) >= MINIMUM:
        return None
    text = (
        "Kameng needs Python {}.{} or newer; this is {}.{}. Install one, or name it: make PYTHON=python3.12"
    )
    return text.format(MINIMUM[0], MINIMUM[1], version[0], version[1])


def newer_python():
    """Return the path of a Python on PATH that is new enough and really runs, or None."""
    for minor in (14, 13, 12, 11):
        # Python 2 cannot look.
        path = getattr(shutil, "which", lambda name: None)("python3.{}".format(minor))
        if path and run([path, "-c", "import sys"])[0] == 0:
            return path
    return None


def read(path):
    with open(path, "rb") as file:
        return file.read()


def lock_of(with_tests):
    """Return the path of the lock file to install."""
    return os.path.join(ROOT, "requirements", "test.txt" if with_tests else "runtime.txt")


def fingerprint(with_tests):
    """Return a hash of everything that the environment is made from."""
    digest = hashlib.sha256()
    for path in (os.path.join(ROOT, "requirements", "uv.txt"), lock_of(with_tests), PROJECT):
        digest.update(read(path))
    digest.update(ROOT.encode())
    return digest.hexdigest()


def bin_path(name):
    """Return the path of a program inside the environment."""
    return os.path.join(VENV, "Scripts" if WINDOWS else "bin", name + (".exe" if WINDOWS else ""))


def stamp_path(with_tests):
    return os.path.join(VENV, STAMP + ("-tests" if with_tests else "-runtime"))


def is_ready(with_tests):
    """Tell whether the environment holds exactly what is asked for, and its Python is still there."""
    try:
        same = read(stamp_path(with_tests)).decode() == fingerprint(with_tests)
    except OSError:
        return False
    return same and os.path.exists(bin_path("python"))


def check_machine():
    """Raise SetupError for what would stop the installation halfway."""
    if not os.access(ROOT, os.W_OK):
        raise SetupError(ROOT + " cannot be written to; copy the checkout to a directory of your own first.")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        whole = False
    else:
        whole = True
    # Not in the handler: what says there where an error comes from cannot be read by the oldest Pythons.
    if not whole:
        raise SetupError("this Python has no venv module; " + APT_VENV)


def run(command, env=None):
    """Run a command; return (exit status, what it printed). It has STEP_SECONDS, and no status after that."""
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    try:
        output = process.communicate(timeout=STEP_SECONDS)[0]
        return process.returncode, output
    except subprocess.TimeoutExpired:
        process.kill()
    try:
        return None, process.communicate(timeout=LAST_WORDS_SECONDS)[0]
    except subprocess.TimeoutExpired:
        # A child of its own has the output still.
        return None, ""


def failure(what, status, output):
    """Return the SetupError that says why an installation step failed, judged by its status and output."""
    if status is None:
        return SetupError(
            what
            + " did not arrive within {:.0f} minutes: the package index is too slow, or hangs. Name another "
            "(pip config set global.index-url URL), or run make again: what was fetched is not fetched "
            "twice.".format(STEP_SECONDS / 60)
        )
    if "No space left" in output:
        return SetupError("the disk is full; free about 1 GB and run make again.")
    if re.search(r"do not match the hashes|hash mismatch", output, re.I):
        return SetupError(what + " came with other contents than locked (hash mismatch); none was installed.")
    if re.search(UNREACHABLE, output, re.I):
        return SetupError(
            what + " could not be fetched: no package index was reached. Check the network, or name a mirror "
            "in pip's own configuration (pip config set global.index-url URL), and run make again."
        )
    return SetupError(what + " could not be installed; the reason is above. Nothing half-installed was kept.")


def pip_options():
    """Return pip's own effective options (name to value): from its files, then the environment."""
    status, output = run([bin_path("python"), "-m", "pip", "config", "list"])
    options = {}
    for scope in ("global", "install", ":env:"):
        for line in output.splitlines() if status == 0 else ():
            match = re.match(r"^" + re.escape(scope) + r"\.([\w-]+)=(.*)$", line)
            if match:
                options[match.group(1)] = match.group(2).strip().strip("'\"").replace("\\n", " ").strip()
    return options


def uv_environment(options, environ):
    """Return the environment for uv: `environ`, plus pip's `options` wherever uv was not told otherwise."""
    env = dict(environ)
    env["UV_PYTHON_DOWNLOADS"] = "never"
    # The lock's hashes say which files are right, so it does not matter which index has them.
    env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    for option, variable in PIP_TO_UV.items():
        value = options.get(option)
        if not value or variable in env:
            continue
        if option == "find-links":
            value = ",".join(place for place in value.split() if "://" in place or os.path.exists(place))
        if option == "cert" and not os.path.exists(value):
            continue
        if value:
            env[variable] = value
    return env


def create_venv():
    """Create the environment with the Python that runs this, unless one of the same version is there."""
    version = "{}.{}".format(*sys.version_info[:2])
    if os.path.exists(bin_path("python")):
        code = "import pip, sys; print('{}.{}'.format(*sys.version_info[:2]))"
        status, output = run([bin_path("python"), "-c", code])
        if status == 0 and output.strip() == version:
            return
    shutil.rmtree(VENV, ignore_errors=True)
    say("creating .venv with Python " + version)
    status, output = run([sys.executable, "-m", "venv", VENV])
    if status != 0:
        sys.stderr.write(output)
        raise SetupError("python -m venv failed; " + APT_VENV)


def install(with_tests):
    """Install uv, the lock and Kameng itself into the environment. Raises SetupError."""
    pip = [bin_path("python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "2"]
    uv = [bin_path("uv"), "pip", "install", "--python", bin_path("python"), "--no-progress"]
    uv_lock = os.path.join(ROOT, "requirements", "uv.txt")
    # compat: a plain path entry, so that a package added by the next pull is found without a reinstall.
    itself = ["--no-build-isolation", "--no-deps", "--config-setting", "editable_mode=compat", "-e", ROOT]
    env = uv_environment(pip_options(), os.environ)
    say("installing the locked packages" + (", also those that tests need" if with_tests else ""))
    for what, command in (
        ("uv, the installer,", pip + ["--require-hashes", "-r", uv_lock]),
        ("the locked packages", uv + ["--require-hashes", "-r", lock_of(with_tests)]),
        ("kameng itself", uv + itself),
    ):
        status, output = run(command, env)
        if status != 0:
            sys.stderr.write(output)
            raise failure(what, status, output)


def stamp(with_tests):
    """Record that the environment is whole. What has the test packages has the runtime ones, too."""
    for kind in {with_tests, False}:
        with open(stamp_path(kind), "w") as file:
            file.write(fingerprint(kind))


def unstamp():
    for kind in (True, False):
        if os.path.exists(stamp_path(kind)):
            os.remove(stamp_path(kind))


def hold_lock():
    """Let two `make` at once take turns; returns the open file that holds the lock until it is closed."""
    file = open(os.path.join(ROOT, "requirements", "uv.txt"))
    if not WINDOWS:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def prepare(with_tests):
    """Bring the environment to what the lock says. Raises SetupError and then leaves no stamp."""
    check_machine()
    with hold_lock():
        if is_ready(with_tests):
            return
        fresh = not os.path.exists(VENV)
        try:
            create_venv()
            unstamp()
            install(with_tests)
            stamp(with_tests)
        except BaseException:
            if fresh:
                shutil.rmtree(VENV, ignore_errors=True)
            raise
    say("ready")


def main(arguments):
    """Run the set-up; return the exit status."""
    complaint = python_complaint(sys.version_info)
    if complaint:
        better = newer_python()
        if better:
            return subprocess.call([better, os.path.abspath(__file__)] + arguments)
        sys.stderr.write("setup: " + complaint + "\n")
        return 2
    with_tests = "--with-tests" in arguments
    if is_ready(with_tests):
        return 0
    try:
        prepare(with_tests)
    except SetupError as error:
        sys.stderr.write("setup: {}\n".format(error))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("setup: stopped; nothing half-installed was kept.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
