// Tells the server in which time zone a stranger reads; who has an account has said so there.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const said = `kameng_zone=${encodeURIComponent(zone)}`;
if (zone && !document.cookie.split("; ").includes(said)) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${said}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}
