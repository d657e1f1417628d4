"""The first policy of campaigns has a shard for each 250,000 people, not 125,000.

SQLite has one writer: two shards read the same pages twice. What staff have written since stays as it is.

Revision: 0016, after 0015
"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None

policies = sa.table(
    "policies",
    sa.column("process", sa.String()),
    sa.column("version", sa.Integer()),
    sa.column("body", db.types.Json),
)
FIRST = sa.and_(policies.c.process == "campaign", policies.c.version == 1)


def upgrade() -> None:
    _change(125_000, 250_000)


def downgrade() -> None:
    _change(250_000, 125_000)


def _change(before: int, after: int) -> None:
    connection = op.get_bind()
    body = connection.execute(sa.select(policies.c.body).where(FIRST)).scalar_one_or_none()
    if body is not None and body.get("people_per_shard") == before:
        changed = {**body, "people_per_shard": after}
        connection.execute(policies.update().where(FIRST).values(body=changed))
