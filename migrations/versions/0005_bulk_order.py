"""Bulk work of campaigns goes through the members in the order of people.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

PENDING = sa.text("status = 'joined'")


def upgrade() -> None:
    rebuild(['campaign_id', 'person_id', 'shard'], ['campaign_id', 'inviter_id', 'inviter_shard'])


def downgrade() -> None:
    rebuild(['campaign_id', 'shard', 'person_id'], ['campaign_id', 'inviter_shard', 'inviter_id'])


def rebuild(members: list[str], joins: list[str]) -> None:
    op.drop_index('ix_enrolments_bulk', 'enrolments')
    op.create_index('ix_enrolments_bulk', 'enrolments', members)
    op.drop_index('ix_invitation_joins_pending', 'invitation_joins')
    op.create_index('ix_invitation_joins_pending', 'invitation_joins', joins, sqlite_where=PENDING, postgresql_where=PENDING)
