"""The story that the demo tells: what each person does, and what has to be true after it."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from contracts.contributions import ContributionIn
from domain.vetting import ChecklistItem
from engine.demo_words import ANSWER, CLAIM, NAME, NOTE, PROFILE
from engine.errors import EngineError
from engine.papers import paper
from engine.seed_people import ADMIN, BRIDGE, HOST, LEAD, VOTERS
from engine.seed_stories import lived
from engine.visitors import Entrance, Refusal, Visitor

KEY: Final = "lin-yi"
EMAIL: Final = f"{KEY}@{HOST}"
REVIEWERS: Final = ("reviewer1", "reviewer2", "reviewer3")
CHOICES: Final = ("yes",) * 11 + ("no", "no", "abstain")
WEEKS: Final = 8
MAIL_SECONDS: Final = 15.0
LOCALES: Final = ("zh-CN", "en")


class Teller(Protocol):
    """Says what happened, in the ``language`` of its listeners."""

    language: int

    def words(self, phrase: str, /, **values: Any) -> str: ...

    def tell(self, at: str | datetime | None, who: str, what: str) -> None: ...


def expect(true: bool, what: str) -> None:
    """Raise ``EngineError`` unless the story is as told."""
    if not true:
        raise EngineError(f"the story went otherwise: {what}")


class Story:
    """Carries one application from draft to certified, telling each step."""

    def __init__(self, door: Entrance, teller: Teller) -> None:
        self.door = door
        self.teller = teller
        self.applicant = door.stranger()
        self.people: dict[str, Visitor] = {}
        self.names: dict[str, str] = {}
        self.id = ""
        self.entries: list[dict[str, Any]] = []
        self.mails = 0
        self.days = 0

    async def tell(self) -> None:
        """Tell it from beginning to end. Raises ``EngineError`` where it goes otherwise."""
        await self._sign_in()
        await self._draft()
        await self._submit()
        await self._changes()
        await self._approve()
        await self._vote()
        await self._probation()
        await self._certify()
        await self._look_back()

    def _say(self, at: str | datetime | None, who: str, phrase: str, /, **values: Any) -> None:
        self.teller.tell(at, who, self.teller.words(phrase, **values))

    @property
    def _me(self) -> str:
        return self.teller.words("applicant")

    def _reviewer(self, key: str) -> str:
        return self.teller.words("reviewer", name=self.names[key])

    async def _show(self) -> dict[str, Any]:
        return dict(await self.applicant.get(f"/applications/{self.id}"))

    async def _expect(self, status: str, stage: str) -> dict[str, Any]:
        application = await self._show()
        found = (application["status"], application["stage"])
        expect(found == (status, stage), f"expected {status}/{stage}, found {'/'.join(found)}")
        return application

    async def _sign_in(self) -> None:
        """Sign applicant and staff in by the links that are mailed to them."""
        await self._by_link(self.applicant, EMAIL)
        changes = {"display_name": NAME[self.teller.language], "locale": LOCALES[self.teller.language]}
        await self.applicant.ask("PATCH", "/me", json=changes)
        self._say(None, self._me, "signed_in")
        for key in (*REVIEWERS, LEAD):
            self.people[key] = self.door.stranger()
            self.names[key] = await self._by_link(self.people[key], f"{key}@{HOST}")

    async def _by_link(self, visitor: Visitor, email: str) -> str:
        await visitor.post("/auth/magic-links", {"email": email})
        letter = await self._letter("sign_in", email)
        person = await self.door.by_link(visitor, letter["links"][0])
        expect(person["email"] == email, f"the link signed {person['email']} in")
        return str(person["display_name"])

    async def _letter(self, template: str, to: str = EMAIL) -> dict[str, Any]:
        """Wait until a mail is in the outbox; return the latest of that kind."""
        deadline = time.monotonic() + MAIL_SECONDS
        while True:
            mails = (await self.applicant.get("/dev/outbox", to=to, limit=100))["items"]
            found = [mail for mail in mails if mail["template"] == template and mail["status"] == "sent"]
            if found:
                return dict(found[0])
            expect(time.monotonic() < deadline, f"no mail {template} to {to} in {MAIL_SECONDS:.0f} s")
            await asyncio.sleep(0.1)

    async def _tell_letter(self, at: str, template: str) -> None:
        letter = await self._letter(template)
        self._say(at, self._me, "letter", subject=letter["subject"])

    async def _draft(self) -> None:
        profile, (scope, issuer) = PROFILE[self.teller.language], CLAIM[self.teller.language]
        made = await self.applicant.post("/applications", {**profile, "links": [f"https://{HOST}/{KEY}"]})
        self.id, path = made["id"], f"/applications/{made['id']}"
        papers = {}
        for kind in ("identity", "credential", "sample"):
            page = paper(f"Demo: {kind}", ["Lin Yi", EMAIL])
            papers[kind] = await self.applicant.upload(
                f"{path}/documents", kind, f"{kind}.pdf", page, "application/pdf"
            )
        claim = {"scope": scope, "issuer": issuer, "document_ids": [papers["credential"]]}
        whole = await self.applicant.patch(path, {"claims": [claim]}, version=made["edit_version"])
        expect(whole["missing"] == [], f"the draft lacks {whole['missing']}")
        await self._expect("draft", "intake")
        self._say(whole["now"], self._me, "drafted", count=len(papers))

    async def _submit(self) -> None:
        done = await self.applicant.post(f"/applications/{self.id}/submit")
        expect(done["waiting_on"] == "reviewer", f"it waits on {done['waiting_on']}")
        self._say(done["waiting_since"], self._me, "submitted", next=done["if_nothing_happens_text"])
        await self._tell_letter(done["waiting_since"], "application_received")

    async def _changes(self) -> None:
        note, answer = NOTE[self.teller.language], ANSWER[self.teller.language]
        first, path = self.people[REVIEWERS[0]], f"/applications/{self.id}"
        await first.post(f"{path}/claim")
        body = {"decision": "request_changes", "reasons": ["incomplete"], "note": note}
        await first.post(f"{path}/review", body)
        application = await self._expect("credential_review", "changes_requested")
        self._say(application["now"], self._reviewer(REVIEWERS[0]), "changes", note=note)
        letter = await self._letter("changes_requested")
        expect(note in letter["text"], "the mail does not say what to change")
        self._say(application["now"], self._me, "letter", subject=letter["subject"])
        statement = f"{application['statement']}\n\n{answer}"
        await self.applicant.patch(path, {"statement": statement}, version=application["edit_version"])
        done = await self.applicant.post(f"{path}/resubmit")
        expect(done["stage"] == "first_review", f"it is in {done['stage']}")
        self._say(done["waiting_since"], self._me, "resubmitted", round=done["round"])

    async def _approve(self) -> None:
        findings = [
            {"claim_id": claim["id"], "verdict": "verified"} for claim in (await self._show())["claims"]
        ]
        checklist = {item.value: True for item in ChecklistItem}
        for key, stage in zip(REVIEWERS[1:], ("second_review", "voting"), strict=True):
            body = {"decision": "approve", "checklist": checklist, "findings": findings}
            done = await self.people[key].post(f"/applications/{self.id}/review", body)
            expect(done["stage"] == stage, f"it is in {done['stage']}, not {stage}")
            self._say(done["waiting_since"], self._reviewer(key), "approved")

    async def _vote(self) -> None:
        application = await self._expect("member_vote", "voting")
        path = f"/ballots/{application['ballot_id']}"
        voters = [await self.door.by_name(f"{voter}@{HOST}") for voter in VOTERS[: len(CHOICES)]]
        ballot = await voters[0].get(path)
        roll, quorum = ballot["roll_size"], ballot["quorum"]
        self._say(ballot["now"], self.teller.words("process"), "opened", roll=roll, quorum=quorum)
        await self._tell_letter(ballot["now"], "review_passed_vote_opened")
        receipts = []
        for place, (voter, choice) in enumerate(zip(voters, CHOICES, strict=True)):
            vote = {"choice": choice, "nonce": f"a-secret-of-voter-{place}"}
            receipts.append((await voter.post(f"{path}/votes", vote))["receipt"])
        await self._hidden(voters[0], path)
        self._say(ballot["now"], self.teller.words("members"), "voted", count=len(receipts))
        await self._skip_to(ballot["closes_at"])
        await self._count(voters[0], path, receipts)

    async def _hidden(self, voter: Visitor, path: str) -> None:
        """See that nobody is told the result while the ballot is open."""
        try:
            await voter.get(f"{path}/result")
        except Refusal as refusal:
            expect(refusal.code == "ballot_open", f"the open ballot's result is refused with {refusal.code}")
        else:
            expect(False, "the result was told before the ballot closed")

    async def _count(self, voter: Visitor, path: str, receipts: list[str]) -> None:
        result = await voter.get(f"{path}/result")
        tally = {choice: CHOICES.count(choice) for choice in ("yes", "no", "abstain")}
        expect({choice: result[choice] for choice in tally} == tally, f"the count says {result}")
        expect(result["outcome"] == "passed", f"the ballot {result['outcome']}")
        closed, process = result["closed_at"], self.teller.words("process")
        self._say(closed, process, "counted", share=result["approval"], **tally)
        published = (await voter.get(f"{path}/receipts"))["items"]
        expect(set(receipts) == set(published), "the published receipts are not those of the voters")
        self._say(closed, self.teller.words("members"), "receipts", count=len(receipts))

    async def _skip_to(self, at: str | datetime) -> dict[str, Any]:
        wanted = datetime.fromisoformat(at) if isinstance(at, str) else at
        now = datetime.fromisoformat((await self._show())["now"])
        length = wanted + timedelta(minutes=1) - now
        days = round(length / timedelta(days=1), 1)
        await self.applicant.skip(self.id, length)
        if days >= 1:
            self._say(wanted, self.teller.words("time"), "skipped", days=f"{days:g}")
        return await self._show()

    async def _probation(self) -> None:
        application = await self._expect("probation", "probation")
        begun = datetime.fromisoformat(application["probation"]["starts_at"])
        until = application["probation"]["ends_at"]
        roles = (await self.applicant.get("/me"))["roles"]
        expect("provisional_leader" in roles, f"the applicant's roles are {roles}")
        self._say(begun, self._me, "probation", until=until[:10])
        forum = await self._forum()
        deeds = list(lived(KEY, begun, 60))
        for week in range(1, WEEKS + 1):
            await self._week(forum, deeds, begun, week)
        await self._skip_to(until)

    async def _forum(self) -> Visitor:
        """Return the program that reports contributions, by an API token that may do nothing else."""
        bridge = await self.door.by_name(f"{BRIDGE}@{HOST}")
        made = await bridge.post("/auth/tokens", {"name": "forum bridge", "scopes": ["contributions:write"]})
        return self.door.program(made["token"])

    async def _week(self, forum: Visitor, deeds: list[ContributionIn], begun: datetime, week: int) -> None:
        """Let a week pass but for its last hour, report what was done in it, and let it end."""
        ends = begun + timedelta(weeks=week)
        nearly = ends - timedelta(hours=1)
        await self.applicant.skip(self.id, nearly - datetime.fromisoformat((await self._show())["now"]))
        if week == WEEKS // 2 + 1:
            await self._tell_letter(await self._when("midterm_feedback"), "probation_midterm")
        done = [deed for deed in deeds if ends - timedelta(weeks=1) <= deed.occurred_at < nearly]
        items = [deed.model_dump(mode="json", exclude_none=True) for deed in done]
        told = await forum.post("/contributions", {"items": items})
        expect(told["recorded"] == len(items), f"of {len(items)} contributions {told['recorded']} went in")
        await self._skip_to(ends)
        evaluated = (await self._show())["probation"]["evaluations"]
        expect(len(evaluated) == week, f"{len(evaluated)} weeks are evaluated, not {week}")
        self._tell_week(evaluated[-1], ends)

    async def _when(self, code: str) -> str:
        """Return when something happened, by the timeline as staff see it."""
        staff = self.people[REVIEWERS[0]]
        entries = (await staff.get(f"/applications/{self.id}/timeline"))["items"]
        return str(next(entry["at"] for entry in entries if entry["code"] == code))

    def _tell_week(self, evaluated: Mapping[str, Any], at: datetime) -> None:
        figures = evaluated["figures"]
        self._say(
            at,
            self.teller.words("forum"),
            "week",
            week=evaluated["week"],
            posts=figures["posts"],
            answered=figures["answered_in_time"],
            questions=figures["questions"],
            ratings=figures["ratings"],
        )

    async def _certify(self) -> None:
        application = await self._expect("probation", "probation_decision")
        advice = application["probation"]["recommendation"]
        expect(advice == "pass", f"the recommendation is {advice}")
        self._say(application["now"], self.teller.words("process"), "judged")
        path = f"/applications/{self.id}/probation-decision"
        done = await self.people[REVIEWERS[2]].post(path, {"decision": "pass"})
        expect(done["status"] == "certified", f"it is {done['status']}")
        self._say(done["waiting_since"], self._reviewer(REVIEWERS[2]), "passed")
        roles = (await self.applicant.get("/me"))["roles"]
        expect("leader" in roles and "provisional_leader" not in roles, f"the roles are {roles}")
        topics = ", ".join(claim["scope"] for claim in (await self._show())["claims"] if claim["verified_at"])
        expect(bool(topics), "no topic is verified")
        self._say(done["waiting_since"], self._me, "certified", topics=topics)
        await self._tell_letter(done["waiting_since"], "certified")

    async def _look_back(self) -> None:
        """Read the whole timeline and count the mails."""
        staff = self.people[LEAD]
        self.entries = (await staff.get(f"/applications/{self.id}/timeline"))["items"]
        codes = [entry["code"] for entry in self.entries]
        expect(codes[0] == "submitted" and codes[-1] == "certified", f"the timeline is {codes}")
        expect(codes.count("week_evaluated") == WEEKS, "a week is missing in the timeline")
        begun, ended = (datetime.fromisoformat(self.entries[place]["at"]) for place in (0, -1))
        self.days = (ended - begun).days
        admin = await self.door.by_name(f"{ADMIN}@{HOST}")
        self.mails = len((await admin.get("/dev/outbox", to=EMAIL, limit=100))["items"])
