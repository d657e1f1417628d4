"""Writing a campaign: a draft begins as a copy of a template, in the leader's language."""

from datetime import datetime

from sqlalchemy import Connection

from api.problems import field_problem
from api.schemas.campaigns import CampaignIn
from api.security.gate import Actor
from api.services import campaign_templates
from db.repositories import campaigns
from domain.campaigns.templates import plan_from
from locales import translate
from locales.catalogue import language_of


def create(conn: Connection, actor: Actor, given: CampaignIn, now: datetime) -> str:
    """Begin a campaign and return its id. ``now``: the wall clock (UTC).

    Raises ``Problem`` for a template that is not offered.
    """
    template = campaign_templates.find(conn, given.template)
    if template is None or template.retired:
        text = translate(actor.locale, "field.template_unknown")
        raise field_problem("template", "template_unknown", text)
    words = template.texts[language_of(actor.locale)].model_dump()
    words |= given.model_dump(include=set(words), exclude_none=True)
    plan = given.plan or plan_from(template.plan.model_dump(mode="json"), given.starts_on)
    return campaigns.create(conn, actor.person_id, given.template, words, plan, now)
