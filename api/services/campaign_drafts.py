"""Writing a campaign: a draft begins as a copy of a template, in the leader's language."""

from datetime import datetime

from sqlalchemy import Connection

from api.problems import field_problem
from api.schemas.campaigns import CampaignIn
from api.security.gate import Actor
from api.services import campaign_templates
from db.repositories import campaigns
from domain.campaigns.calendar import day_opens
from domain.campaigns.templates import plan_from
from locales import translate
from locales.catalogue import language_of


def create(conn: Connection, actor: Actor, given: CampaignIn, now: datetime, *, to_come: bool = False) -> str:
    """Begin a campaign and return its id. ``now``: the wall clock (UTC).

    Raises ``Problem`` for a template that is not offered and, where its first day has ``to_come``, for one
    that has begun.
    """
    template = campaign_templates.find(conn, given.template)
    if template is None or template.retired:
        text = translate(actor.locale, "field.template_unknown")
        raise field_problem("template", "template_unknown", text)
    words = template.texts[language_of(actor.locale)].model_dump()
    words |= given.model_dump(include=set(words), exclude_none=True)
    plan = given.plan or plan_from(template.plan.model_dump(mode="json"), given.starts_on)
    if to_come and day_opens(plan, 1) <= now:
        text = translate(actor.locale, "field.starts_in_the_past")
        raise field_problem("starts_on", "starts_in_the_past", text)
    return campaigns.create(conn, actor.person_id, given.template, words, plan, now)
