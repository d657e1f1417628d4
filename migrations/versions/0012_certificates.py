"""Certificates can be hidden by their members.

Revision: 0012, after 0011
"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('settlements', sa.Column('certificate_hidden_at', db.types.UtcDateTime(), nullable=True))


def downgrade() -> None:
    # As the database does it: a table that is copied would lose its key on SQLite.
    op.drop_column('settlements', 'certificate_hidden_at')
