"""Problems (RFC 9457): what a request is told when it cannot be done.

A problem is raised anywhere above the domain, carries a stable ``code`` and no text: title and detail
are looked up in the reader's language when it is answered. Nothing here knows HTTP beyond the status
that belongs to a code, so pages show the same problems in their own form.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from domain.campaigns.requirements import Unmet
from domain.campaigns.sharing import FeatureRefusal
from domain.campaigns.streaks import MakeUpRefusal
from domain.campaigns.terms import Refusal as CampaignRefusal
from domain.vetting import Refusal
from locales import translate, word

MEDIA_TYPE = "application/problem+json"

# Refusals of a process are conflicts with its state, except those that say something about the request.
_REFUSALS = {refusal.value: 409 for refusal in Refusal} | {
    Refusal.CONFLICT_OF_INTEREST.value: 403,
    Refusal.LEAD_REQUIRED.value: 403,
    Refusal.DECIDED_BEFORE.value: 403,
    Refusal.SANCTIONED.value: 403,
    Refusal.REASONS_REQUIRED.value: 422,
    Refusal.CHECKLIST_INCOMPLETE.value: 422,
    Refusal.CLAIMS_UNDECIDED.value: 422,
    Refusal.NO_VERIFIED_CLAIM.value: 422,
    Refusal.STRICT_CHECK_REQUIRED.value: 422,
    Refusal.NOTE_REQUIRED.value: 422,
    Refusal.INCOMPLETE.value: 422,
}

_CAMPAIGN_REFUSALS = {refusal.value: 409 for refusal in CampaignRefusal} | {
    CampaignRefusal.NOT_THE_LEADER.value: 403,
    CampaignRefusal.OWN_CAMPAIGN.value: 403,
    CampaignRefusal.REASONS_REQUIRED.value: 422,
    CampaignRefusal.STARTS_TOO_SOON.value: 422,
    CampaignRefusal.TOO_LONG.value: 422,
    CampaignRefusal.AMNESTY_DAYS.value: 422,
    CampaignRefusal.PLAN_UNLAWFUL.value: 422,
}

_FEATURE_REFUSALS = {refusal.value: 409 for refusal in FeatureRefusal}

_CHECK_IN_REFUSALS = {refusal.value: 409 for refusal in MakeUpRefusal} | {code.value: 422 for code in Unmet}

STATUS_OF: dict[str, int] = {
    "unreadable_body": 400,
    "bad_request": 400,
    "idempotency_key_invalid": 400,
    "cursor_invalid": 400,
    "sign_in_required": 401,
    "link_invalid": 401,
    "code_invalid": 401,
    "forbidden": 403,
    "cross_site_request": 403,
    "scope_missing": 403,
    "session_required": 403,
    "second_factor_required": 403,
    "second_factor_enrolment_required": 403,
    "link_other_browser": 403,
    "scope_not_allowed": 403,
    "not_on_roll": 403,
    "not_enrolled": 403,
    "invitation_required": 403,
    "enrolment_barred": 403,
    "not_found": 404,
    "invitation_unknown": 404,
    "method_not_allowed": 405,
    "request_in_progress": 409,
    "second_factor_exists": 409,
    "second_factor_missing": 409,
    "contribution_conflict": 409,
    "too_many_tokens": 409,
    "not_editable": 409,
    "campaign_not_editable": 409,
    "campaign_not_settled": 409,
    "already_leader": 409,
    "too_many_documents": 409,
    "ballot_closed": 409,
    "ballot_open": 409,
    "already_voted": 409,
    "waiting_for_a_place": 409,
    "enrolment_closed": 409,
    "campaign_full": 409,
    "invitations_off": 409,
    "joining_over": 409,
    "invitation_address_used": 409,
    "invitation_decided": 409,
    "campaign_settling": 409,
    "late_reward_unfunded": 409,
    "rehearsal_running": 409,
    "rehearsal_over": 409,
    "violation_settled": 409,
    "policy_changed": 409,
    "points_insufficient": 409,
    "transfer_not_reversible": 409,
    "transfer_reversed": 409,
    "pictures_not_taken": 409,
    "too_many_pictures": 409,
    "ballot_cancelled": 410,
    "note_taken_down": 410,
    "edit_conflict": 412,
    "body_too_large": 413,
    "file_too_large": 413,
    "unsupported_media_type": 415,
    "validation_failed": 422,
    "idempotency_key_reused": 422,
    "person_unknown": 422,
    "form_incomplete": 422,
    "file_empty": 422,
    "document_type_unknown": 422,
    "document_damaged": 422,
    "picture_type_unknown": 422,
    "picture_unknown": 422,
    "image_too_large": 422,
    "image_animated": 422,
    "invitation_own_address": 422,
    "reminder_hour_not_offered": 422,
    "address_disposable": 422,
    "occurred_in_future": 422,
    "precondition_required": 428,
    "too_many_requests": 429,
    "invitations_used_up": 429,
    "headers_too_large": 431,
    "internal_error": 500,
    "database_unavailable": 503,
    "database_not_migrated": 503,
    "temporal_unavailable": 503,
    "storage_unavailable": 503,
    "time_skipping_unavailable": 503,
    **_REFUSALS,
    **_CAMPAIGN_REFUSALS,
    **_CHECK_IN_REFUSALS,
    **_FEATURE_REFUSALS,
}
"""Every code there is and its HTTP status. Each has a title and a detail in every language."""


class FieldError(BaseModel):
    """What is wrong with one field: its path (``claims[0].scope``), a stable code, and words."""

    model_config = ConfigDict(frozen=True)

    field: str
    code: str
    message: str


class ProblemDocument(BaseModel):
    """A problem as it is answered; more members may be there, named by the code's own documentation."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    errors: list[FieldError] | None = None


# The values that a detail can have a singular for.
_COUNTED: Final = ("retry_after_seconds", "available", "most", "max_files", "longest_days")


class Problem(Exception):
    """A request that cannot be done, by its ``code`` (a key of ``STATUS_OF``).

    ``values`` fill the placeholders of the detail and become members of the document: only what the
    asker may know. ``headers`` are sent along, for example Retry-After.
    """

    def __init__(
        self,
        code: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status = STATUS_OF[code]
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.values = values

    def _words(self, locale: str) -> dict[str, Any]:
        """Return the values, and besides the stage in words and the number that the detail counts."""
        stage = self.values.get("stage")
        counted = [self.values[name] for name in _COUNTED if name in self.values]
        return (
            self.values
            | ({"stage_text": word(locale, "stage", stage)} if stage else {})
            | ({"count": counted[0]} if counted else {})
        )

    def document(self, locale: str, request_id: str | None = None) -> ProblemDocument:
        """Return the document in the language that serves ``locale``."""
        return ProblemDocument(
            **self.values,
            type=f"/docs#problem-{self.code}",
            title=translate(locale, f"problem.{self.code}.title"),
            status=self.status,
            detail=translate(locale, f"problem.{self.code}.detail", **self._words(locale)),
            code=self.code,
            request_id=request_id,
            errors=list(self.errors) or None,
        )


def too_many_requests(retry_after: int) -> Problem:
    """Return the problem that asks to wait ``retry_after`` seconds."""
    return Problem(
        "too_many_requests", headers={"Retry-After": str(retry_after)}, retry_after_seconds=retry_after
    )


def field_problem(field: str, code: str, message: str) -> Problem:
    """Return a validation problem about one field that only the database could judge."""
    return Problem("validation_failed", errors=[FieldError(field=field, code=code, message=message)])
