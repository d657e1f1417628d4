"""Writing a campaign: a draft begins as a copy of a template, in the leader's language."""

from datetime import datetime

from sqlalchemy import Connection

from api.schemas.campaigns import CampaignIn
from api.security.gate import Actor
from db.repositories import campaigns
from domain.campaigns.templates import TemplateText, plan_for, text_id
from locales import translate


def create(conn: Connection, actor: Actor, given: CampaignIn, now: datetime) -> str:
    """Begin a campaign and return its id. ``now``: the wall clock (UTC)."""
    words = {
        text.value: typed
        if (typed := getattr(given, text.value)) is not None
        else translate(actor.locale, text_id(given.template, text))
        for text in TemplateText
    }
    plan = given.plan or plan_for(given.template, given.starts_on)
    return campaigns.create(conn, actor.person_id, given.template.value, words, plan, now)
