"""The first version of the policy of campaigns.

Revision: 0011, after 0010
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

POLICY = {
    "review_reminder_days": 2,
    "changes_window_days": 14,
    "longest_days": 180,
    "reminder_hours": [8, 12, 18, 21],
    "people_per_shard": 125_000,
    "shards_at_most": 8,
}


def upgrade() -> None:
    policies = sa.table(
        "policies",
        sa.column("process", sa.String()),
        sa.column("version", sa.Integer()),
        sa.column("body", db.types.Json),
        sa.column("created_at", db.types.UtcDateTime()),
        sa.column("note", sa.Text()),
    )
    first = {"process": "campaign", "version": 1, "body": POLICY, "created_at": datetime.now(UTC), "note": ""}
    op.bulk_insert(policies, [first])


def downgrade() -> None:
    op.execute("DELETE FROM policies WHERE process = 'campaign'")
