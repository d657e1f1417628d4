"""The stories of the demo community's applicants: how each application got where it is."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, select

from contracts.contributions import ContributionIn
from db.database import Database
from db.repositories import contributions, people
from db.repositories.vetting import timeline_of
from db.tables.ballots import ballot_roll, ballots
from db.tables.vetting import applications
from domain.contributions import ContributionKind
from domain.vetting import ChecklistItem
from engine.papers import paper
from engine.seed_people import HOST, PROFILES, VOTERS, Profile
from engine.visitors import Entrance, Visitor

CHECKLIST: Final = {item.value: True for item in ChecklistItem}
A_LITTLE: Final = timedelta(minutes=1)
NONCE: Final = "demo-seed"
PAPERS: Final = ("identity", "credential", "sample")


class Teller:
    """Carries applications on as the people concerned, step by step, leaving out what has happened."""

    def __init__(self, door: Entrance, db: Database) -> None:
        self.door = door
        self.db = db

    async def person(self, key: str) -> Visitor:
        """Return one of the people, signed in."""
        return await self.door.by_name(f"{key}@{HOST}")

    async def draft(self, key: str) -> dict[str, Any]:
        """Begin the application with its texts, if it was not begun, and return it."""
        applicant = await self.person(key)
        own = (await applicant.get("/me/applications"))["items"]
        if own:
            return dict(await applicant.get(f"/applications/{own[-1]['id']}"))
        profile = PROFILES[key]
        texts: dict[str, Any] = {
            "headline": profile.headline,
            "bio": profile.bio,
            "statement": profile.statement,
        }
        texts |= {"tags": list(profile.tags), "links": [f"https://{HOST}/{key}"]}
        return dict(await applicant.post("/applications", texts, key=f"{NONCE}-{key}"))

    async def complete(self, key: str) -> dict[str, Any]:
        """Add the documents and the claim that they prove, as far as they are missing."""
        application = await self.draft(key)
        if not application["editable"]:
            return application
        applicant, profile, path = await self.person(key), PROFILES[key], f"/applications/{application['id']}"
        held = {document["kind"]: document["id"] for document in application["documents"]}
        for kind in PAPERS:
            if kind not in held:
                page = paper(f"Demo: {kind} of {key}", [f"{key}@{HOST}", profile.issuer, profile.headline])
                held[kind] = await applicant.upload(
                    f"{path}/documents", kind, f"{kind}.pdf", page, "application/pdf"
                )
        if not application["claims"]:
            claim = _claim(profile, held["credential"])
            await applicant.patch(path, {"claims": [claim]}, version=application["edit_version"])
        return await self.draft(key)

    async def submit(self, key: str) -> dict[str, Any]:
        """Hand the application in."""
        application = await self.complete(key)
        if application["status"] == "draft":
            applicant = await self.person(key)
            await applicant.post(f"/applications/{application['id']}/submit", key=f"{NONCE}-submit")
        return await self.draft(key)

    async def happened(self, application: dict[str, Any], code: str) -> int:
        """Tell how often ``code`` stands in the timeline."""
        entries = await self.db.read(lambda conn: timeline_of(conn, application["id"]))
        return sum(entry.code == code for entry in entries)

    async def review(self, key: str, decision: str, *reviewers: str, **more: Any) -> dict[str, Any]:
        """Have ``reviewers`` give their opinions in this order."""
        application = await self.submit(key)
        given = await self.happened(application, f"review_{decision}")
        for reviewer in reviewers[given:]:
            visitor = await self.person(reviewer)
            await visitor.post(
                f"/applications/{application['id']}/review",
                _opinion(decision, application) | more,
                key=f"{NONCE}-{application['id']}",
            )
        return await self.draft(key)

    async def vote(self, application: dict[str, Any], choices: Sequence[str]) -> None:
        """Have the first members on the roll vote; a vote cast again is the same vote."""
        ballot_id = application["ballot_id"]
        for voter, choice in zip(VOTERS, choices, strict=False):
            visitor = await self.person(voter)
            await visitor.post(
                f"/ballots/{ballot_id}/votes", {"choice": choice, "nonce": f"{NONCE}-{voter}-{ballot_id}"}
            )

    async def skip_to(self, key: str, at: str | datetime) -> dict[str, Any]:
        """Move the application's clock a little beyond ``at``, unless it is there."""
        application = await self.draft(key)
        wanted = datetime.fromisoformat(at) if isinstance(at, str) else at
        ahead = wanted + A_LITTLE - datetime.fromisoformat(application["now"])
        if ahead > timedelta(0):
            applicant = await self.person(key)
            await applicant.skip(application["id"], ahead)
        return await self.draft(key)

    async def pass_vote(self, key: str) -> dict[str, Any]:
        """Bring the application through review and vote into probation."""
        application = await self.review(key, "approve", "reviewer1", "reviewer2")
        if application["status"] == "member_vote":
            await self.vote(application, ["yes"] * 9 + ["no", "abstain", "yes"])
            application = await self.skip_to_close(key, application)
        return application

    async def skip_to_close(self, key: str, application: dict[str, Any]) -> dict[str, Any]:
        """Move the application's clock to where its ballot closes."""
        voter = await self.person(VOTERS[0])
        ballot = await voter.get(f"/ballots/{application['ballot_id']}")
        return await self.skip_to(key, ballot["closes_at"])

    async def appeal(self, application: dict[str, Any], key: str, reason: str) -> None:
        """Appeal against the loss, while that is possible."""
        if application["stage"] == "appeal_window":
            applicant = await self.person(key)
            await applicant.post(
                f"/applications/{application['id']}/appeal", {"reason": reason}, key=f"{NONCE}-appeal"
            )

    async def judge(self, application: dict[str, Any], decision: str, note: str) -> None:
        """Have somebody who did not decide before judge the appeal, unless that has happened."""
        if await self.happened(application, "appealed") and not (
            await self.happened(application, "appeal_upheld")
            + await self.happened(application, "appeal_overturned")
        ):
            other = await self.person("reviewer2")
            await other.post(
                f"/applications/{application['id']}/appeal-decision",
                {"decision": decision, "note": note},
                key=f"{NONCE}-{application['id']}",
            )

    async def live(self, key: str, days: float, *, well: bool = True) -> dict[str, Any]:
        """Spend ``days`` of probation, with what the leader does meanwhile; ``well`` meets every target."""
        application = await self.pass_vote(key)
        begun = datetime.fromisoformat(application["probation"]["starts_at"])
        ends = begun + timedelta(days=days)
        rows = list(lived(key, begun, days, well=well))
        # Told at the end of those days, to which the clock is about to be moved.
        await self.db.write(lambda conn: contributions.record(conn, rows, ends))
        return await self.skip_to(key, ends)

    async def decide(self, key: str, decision: str, note: str = "") -> None:
        """Have staff decide the probation that is over."""
        application = await self.draft(key)
        if application["stage"] == "probation_decision":
            reviewer = await self.person("reviewer3")
            await reviewer.post(
                f"/applications/{application['id']}/probation-decision",
                {"decision": decision, "note": note},
                key=f"{NONCE}-{application['id']}",
            )


def _claim(profile: Profile, document_id: str) -> dict[str, Any]:
    return {"scope": profile.scope, "issuer": profile.issuer, "document_ids": [document_id]}


def _opinion(decision: str, application: dict[str, Any]) -> dict[str, Any]:
    if decision != "approve":
        return {"decision": decision}
    findings = [
        {"claim_id": claim["id"], "verdict": "verified", "registry_checked": claim["regulated"]}
        for claim in application["claims"]
    ]
    return {"decision": decision, "checklist": CHECKLIST, "findings": findings}


def lived(key: str, begun: datetime, days: float, *, well: bool = True) -> Iterator[ContributionIn]:
    """Yield what a provisional leader does in so many days: posts, answers, and the ratings they get."""
    every = 2.5 if well else 9.0
    for number in range(int(days / every)):
        yield _did(key, ContributionKind.POST, number, begun + timedelta(days=0.4 + number * every))
    for number in range(int(days / 4)):
        asked = begun + timedelta(days=0.8 + number * 4)
        name = f"{key}-question-{number}"
        voter = VOTERS[number % len(VOTERS)]
        yield _did(key, ContributionKind.QUESTION, number, asked, actor_reference=f"{voter}@{HOST}")
        hours = 6 + 7 * number % 40 if well else 90
        at = asked + timedelta(hours=hours)
        if at < begun + timedelta(days=days):
            yield _did(key, ContributionKind.ANSWER, number, at, answers_reference=name)
    for number in range(int(days / 4) if well else 3):
        at = begun + timedelta(days=1.2 + number * 4)
        rater = f"{VOTERS[number]}@{HOST}"
        yield _did(key, ContributionKind.RATING, number, at, actor_reference=rater, stars=5 - number % 2)


def _did(key: str, kind: ContributionKind, number: int, at: datetime, **more: Any) -> ContributionIn:
    return ContributionIn(
        source="demo-forum",
        reference=f"{key}-{kind.value}-{number}",
        kind=kind,
        email=f"{key}@{HOST}",
        occurred_at=at.replace(microsecond=0),
        **more,
    )


async def _drafting(teller: Teller, key: str) -> None:
    await teller.draft(key)


async def _waiting(teller: Teller, key: str) -> None:
    await teller.submit(key)


async def _changing(teller: Teller, key: str) -> None:
    note = "书评样本很好。请补一份能看清日期的从业证明，再写一句共读讨论打算放在星期几。"
    await teller.review(key, "request_changes", "reviewer1", reasons=["unreadable_document"], note=note)


async def _candidate(teller: Teller, key: str) -> None:
    application = await teller.review(key, "approve", "reviewer2", "reviewer3")
    await teller.vote(application, _CAST)


async def _probation(teller: Teller, key: str) -> None:
    await teller.live(key, 31)


async def _judged(teller: Teller, key: str) -> None:
    await teller.live(key, 60)


async def _leader(teller: Teller, key: str) -> None:
    await teller.live(key, 60)
    await teller.decide(key, "pass")


async def _prolonged(teller: Teller, key: str) -> None:
    await teller.live(key, 60, well=False)
    await teller.decide(key, "extend", "发布少了些，可是每一篇都有人跟着走。再给一个月，把节奏找回来。")


async def _appealing(teller: Teller, key: str) -> None:
    note = "内容样本只有三段，看不出带队经验。欢迎积累一季以后再来。"
    application = await teller.review(
        key, "reject", "reviewer1", "reviewer3", reasons=["content_sample_weak"], note=note
    )
    await teller.appeal(application, key, "样本是从三年手记里摘的，整本手记我已经放到链接里，请再看一次。")


async def _creator(teller: Teller, key: str) -> None:
    await teller.live(key, 60, well=False)
    await teller.decide(key, "fail", "Wonderful jars, but a post every nine days is not enough for a circle.")


async def _halfway(teller: Teller, key: str) -> None:
    application = await teller.review(key, "approve", "reviewer1")
    if application["stage"] == "second_review" and not await teller.happened(application, "claimed"):
        second = await teller.person("reviewer3")
        await second.post(f"/applications/{application['id']}/claim", key=f"{NONCE}-{application['id']}")


async def _disputed(teller: Teller, key: str) -> None:
    await teller.review(key, "approve", "reviewer1")
    note = "The sample is one lost game; I cannot see yet how beginners would learn from it."
    await teller.review(key, "reject", "reviewer3", reasons=["content_sample_weak"], note=note)


async def _withdrawn(teller: Teller, key: str) -> None:
    application = await teller.submit(key)
    if application["status"] == "credential_review":
        applicant = await teller.person(key)
        await applicant.post(f"/applications/{application['id']}/withdraw", key=f"{NONCE}-withdraw")


async def _expired(teller: Teller, key: str) -> None:
    note = "The certificate cannot be read. Please photograph it again by daylight."
    application = await teller.review(
        key, "request_changes", "reviewer2", reasons=["unreadable_document"], note=note
    )
    if application["stage"] == "changes_requested":
        await teller.skip_to(key, application["next_deadline"])


async def _upheld(teller: Teller, key: str) -> None:
    reasons = ["credentials_unproven", "incomplete"]
    note = "夜拍小组的证明没有写明您的名字，夜景样本也只有两张。"
    application = await teller.review(key, "reject", "reviewer1", "reviewer3", reasons=reasons, note=note)
    await teller.appeal(application, key, "证明是小组统一开的，名字在背面，请再看一次。")
    await teller.judge(application, "uphold", "背面没有名字，样本也没有补。冷静期过后欢迎再来。")


async def _overturned(teller: Teller, key: str) -> None:
    note = "The sample is one page; nothing in it shows how a circle would be led."
    application = await teller.review(
        key, "reject", "reviewer1", "reviewer3", reasons=["content_sample_weak"], note=note
    )
    await teller.appeal(
        application, key, "The other eleven pages are in the second document, behind the letter."
    )
    await teller.judge(
        application, "overturn", "They are, and they answer the question. Please look at them anew."
    )


async def _extended(teller: Teller, key: str) -> None:
    application = await teller.review(key, "approve", "reviewer1", "reviewer3")
    if application["stage"] == "voting":
        await teller.vote(application, ["yes", "no"])
        await teller.skip_to_close(key, application)


async def _unheard(teller: Teller, key: str) -> None:
    await _extended(teller, key)
    application = await teller.draft(key)
    if application["stage"] == "voting_extended":
        await teller.skip_to_close(key, application)


async def _reported(teller: Teller, key: str) -> None:
    application = await teller.live(key, 16)
    moderator, path = await teller.person("moderator"), f"/applications/{application['id']}/violations"
    yesterday = (datetime.fromisoformat(application["now"]) - timedelta(days=1)).isoformat()
    if not await teller.happened(application, "violation_confirmed"):
        for kind, verdict, note in (
            ("other", "reported", "A member says that answers are sometimes short."),
            ("undisclosed_advertising", "confirmed", "Three posts praise a flour without saying who paid."),
        ):
            noted = {"kind": kind, "verdict": verdict, "occurred_at": yesterday, "note": note}
            await moderator.post(path, noted, key=f"{NONCE}-{application['id']}-{verdict}")


_CAST: Final = ("yes", "yes", "no", "yes", "abstain", "yes", "yes")


class Story(NamedTuple):
    """Whose story, how it is told, and the timeline's code that stands so often once it is."""

    key: str
    tell: Callable[[Teller, str], Awaitable[None]]
    code: str = ""
    times: int = 1
    votes: int = 0


STORIES: Final = (
    Story("leader1", _leader, "certified"),
    Story("leader2", _leader, "certified"),
    Story("creator", _creator, "became_ordinary_creator"),
    Story("judged", _judged, "probation_judged"),
    Story("probation", _probation, "week_evaluated", 4),
    Story("appealing", _appealing, "appealed"),
    Story("candidate", _candidate, "ballot_opened", votes=len(_CAST)),
    Story("changing", _changing, "review_request_changes"),
    Story("waiting", _waiting, "submitted"),
    Story("drafting", _drafting),
    Story("reported", _reported, "violation_confirmed"),
    Story("unheard", _unheard, "rejected"),
    Story("extended", _extended, "ballot_extended"),
    Story("upheld", _upheld, "appeal_upheld"),
    Story("expired", _expired, "expired"),
    Story("disputed", _disputed, "review_reject"),
    Story("halfway", _halfway, "claimed"),
    Story("withdrawn", _withdrawn, "withdrawn"),
    Story("prolonged", _prolonged, "probation_extended"),
    Story("overturned", _overturned, "appeal_overturned"),
)


def is_told(conn: Connection, story: Story) -> bool:
    """Tell whether the story was told to its end; what people did afterwards does not matter."""
    person = people.get_by_email(conn, f"{story.key}@{HOST}")
    if person is None:
        return False
    first = select(func.min(applications.c.id)).where(applications.c.person_id == person.id)
    application_id = conn.execute(first).scalar()
    if application_id is None:
        return False
    codes = [entry.code for entry in timeline_of(conn, application_id)]
    told = not story.code or codes.count(story.code) >= story.times
    return told and _votes(conn, application_id) >= story.votes


def _votes(conn: Connection, application_id: str) -> int:
    cast = (
        select(func.count())
        .select_from(ballot_roll.join(ballots, ballots.c.id == ballot_roll.c.ballot_id))
        .where(ballots.c.subject_id == application_id, ballot_roll.c.has_voted)
    )
    return int(conn.execute(cast).scalar_one())
