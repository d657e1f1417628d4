"""Mentions: what follows an ``@``, whose name it is, how a note is shown."""

from hypothesis import example, given
from hypothesis import strategies as st

from domain.campaigns.invitation_mails import InvitationPolicy, delivery_of, status_before_joining
from domain.campaigns.invitations import InvitationStatus
from domain.campaigns.mentions import (
    MOST_ADDRESSES,
    MOST_SIGNS,
    Mention,
    MentionOutcome,
    Named,
    addresses_in,
    folded,
    may_mention,
    names_in,
    pieces,
    resolved,
    signs,
)
from domain.mail import MailStatus
from domain.people import address_hash

ANN, LEE, LIN, TWO = (
    Named("1", "Ann", 1),
    Named("2", "Ann Lee", 1),
    Named("3", "林晓", 1),
    Named("4", "Sam", 2),
)
KNOWN = {folded(one.display_name): one for one in (ANN, LEE, LIN, TWO)}


def told(note: str, author: str = "0") -> list[tuple[str, str, str | None]]:
    return [(one.name, one.outcome.value, one.person_id) for one in resolved(signs(note), KNOWN, author)]


def test_names_end_where_somebody_is_called_so() -> None:
    assert told("Read with @Ann today") == [("Ann", "mentioned", "1")]
    assert told("Read with @ann lee today, and @Ann.") == [
        ("ann lee", "mentioned", "2"),
        ("Ann", "mentioned", "1"),
    ]
    assert told("今天和@林晓一起读书，谢谢＠林晓！") == [("林晓", "mentioned", "3")]
    assert told("@Annabel and @Anna") == [("Annabel", "unknown", None), ("Anna", "unknown", None)]
    assert told("和@示例·若谷一起，还有@阿依努尔・买买提。") == [
        ("示例·若谷一起", "unknown", None),
        ("阿依努尔・买买提", "unknown", None),
    ]
    assert told("@示例·若谷 and @O'Brien, @Bob's dog. @Cid.Then") == [
        ("示例·若谷", "unknown", None),
        ("O'Brien", "unknown", None),
        ("Bob", "unknown", None),
        ("Cid", "unknown", None),
    ]
    assert told("@Sam came") == [("Sam", "ambiguous", None)]
    assert told("@Ann, me") == [("Ann", "mentioned", "1")]
    assert told("@Ann, me", author="1") == []


def test_of_a_name_that_nobody_has_as_much_is_told_as_one_can_tell() -> None:
    for note, name in (
        ("With @Two Words today", "Two Words"),
        ("@Mary Jane O'Brien, and more", "Mary Jane O'Brien"),
        ("@Mary J Blige sang", "Mary J Blige"),
        ("Thanks @Ludwig van Beethoven!", "Ludwig van Beethoven"),
        ("@Élise de la Cruz reads", "Élise de la Cruz"),
        ("@Wide   Gap", "Wide Gap"),
        ("@Bob van today", "Bob"),
        ("@Bob I read", "Bob"),
        ("@Bob I've read", "Bob"),
        ("@Bob. Then", "Bob"),
        ("@Bob\nThen", "Bob"),
        ("@bob Then", "bob"),
        ("@若谷 Then", "若谷"),
        ("@Bob 今天", "Bob"),
        (f"@{'Long ' * 20}", "Long Long Long Long Long Long Long Long"),
    ):
        assert told(note) == [(name, "unknown", None)], note


def test_blanks_within_a_name_are_one_however_they_are_typed() -> None:
    for blank in ("  ", "\t", "\u00a0", "\u3000"):
        typed = f"Ann{blank}lee"
        assert told(f"@{typed} came") == [(typed, "mentioned", "2")]
        assert {"Ann lee", typed} <= names_in(signs(f"@{typed} came"))
        assert pieces(f"@{typed} came", [(typed, "2")]) == [(f"@{typed}", "2"), (" came", None)]


def test_what_is_no_mention() -> None:
    for note in ("", "no sign", "mail me: ann@home", "x@Ann", "@ Ann", "@", "@\nAnn", "@!", "@@", "3@Ann"):
        assert told(note) == [], note


def test_addresses_are_invited_and_are_no_names() -> None:
    note = "@new.friend+x@friends.example. @ann@home (@a@b.example) @Ann c@d.example @a@b.example"
    assert addresses_in(signs(note)) == ["new.friend+x@friends.example", "a@b.example"]
    # Only what begins at the sign: neither the end of an address nor a host without a name.
    assert told(note) == [("ann", "mentioned", "1")]
    many = " ".join(f"@a{n}@b.example" for n in range(40))
    assert len(addresses_in(signs(many))) == MOST_ADDRESSES


def test_a_note_is_shown_with_its_mentions_and_without_addresses() -> None:
    shown = pieces("Hi @Ann Lee! @林晓你好 @new@friends.example <b>", [("Ann Lee", "2"), ("林晓", "3")])
    assert [(one.text, one.person_id) for one in shown] == [
        ("Hi ", None),
        ("@Ann Lee", "2"),
        ("! ", None),
        ("@林晓", "3"),
        ("你好 ", None),
        ("@n…@friends.example", None),
        (" <b>", None),
    ]


NOTES = st.text(
    st.one_of(st.sampled_from("@@＠ AnnLee林晓.\n+-_x\u0301\u202e"), st.characters()), max_size=200
)


@given(NOTES)
@example("@" * 5000)
@example(("@" + "a" * 70) * 60)
@example("@a@" + "b." * 2000)
def test_any_note_is_taken_apart_and_put_together(note: str) -> None:
    found = signs(note)
    assert len(found) <= MOST_SIGNS
    assert not found or may_mention(note)
    for sign in found:
        assert note[sign.start] in "@＠"
        assert (sign.address is None) == bool(sign.candidates)
        for candidate in sign.candidates:
            assert note.startswith(candidate, sign.start + 1)
            assert candidate == candidate.strip() or not candidate[-1].isspace()
            assert "\n" not in candidate
            assert "@" not in candidate
    names = sorted(names_in(found))[:3]
    without_addresses = not any(sign.address for sign in found)
    shown = "".join(piece.text for piece in pieces(note, [(name, "1") for name in names]))
    assert shown == note if without_addresses else len(shown) <= len(note) + len(found)


@given(st.lists(st.sampled_from(["Ann", "ANN LEE", "林晓", "Sam", "Nobody"]), max_size=8), st.data())
def test_whoever_is_mentioned_is_found_among_any_words(names: list[str], data: st.DataObject) -> None:
    filler = st.sampled_from(["", " ", "，", " and then "])
    note = "".join(f"{data.draw(filler)} @{name}。" for name in names)
    found = {one.person_id: one for one in resolved(signs(note), KNOWN, "0") if one.person_id}
    expected = {KNOWN[folded(name)].person_id for name in names if name in {"Ann", "ANN LEE", "林晓"}}
    assert found.keys() == expected
    assert all(isinstance(one, Mention) and one.outcome is MentionOutcome.MENTIONED for one in found.values())


def test_throw_away_domains_are_those_of_the_policy_and_below() -> None:
    policy = InvitationPolicy(disposable_domains=("Throw.Example ", "throw.example"))
    assert policy.disposable_domains == ("throw.example",)
    assert policy.is_disposable("a+b@THROW.example")
    assert policy.is_disposable("a@deep.down.throw.example")
    assert not policy.is_disposable("a@notthrow.example")
    assert not policy.is_disposable("throw.example@friends.example")
    assert InvitationPolicy().is_disposable("x@mailinator.com")


def test_a_mailbox_has_one_hash_however_it_is_spelled() -> None:
    assert address_hash("Some.Body+x@GoogleMail.com") == address_hash("somebody@gmail.com")
    assert address_hash("a.b@people.example") != address_hash("ab@people.example")
    assert "somebody" not in address_hash("somebody@gmail.com")


def test_how_far_an_invitation_has_come_follows_its_mail() -> None:
    shown = {status: delivery_of(status).value for status in MailStatus}
    assert shown == {
        "queued": "waiting",
        "sending": "waiting",
        "unknown": "waiting",
        "sent": "sent",
        "delivered": "sent",
        "bounced": "bounced",
        "failed": "failed",
        "suppressed": "not_sent",
    }
    assert delivery_of(None).value == "not_sent"
    sent = delivery_of(MailStatus.DELIVERED)
    assert status_before_joining(sent, opened=False, over=False) is InvitationStatus.SENT
    assert status_before_joining(sent, opened=True, over=False) is InvitationStatus.OPENED
    assert status_before_joining(sent, opened=True, over=True) is InvitationStatus.EXPIRED
    waiting = delivery_of(MailStatus.QUEUED)
    assert status_before_joining(waiting, opened=False, over=False) is InvitationStatus.CREATED
