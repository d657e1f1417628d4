"""Mails know their claim apart from their attempts, and since when they have been told to wait.

Revision: 0017, after 0016
"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('mails', sa.Column('claims', sa.Integer(), server_default='0', nullable=False))
    op.add_column('mails', sa.Column('postponed_since', db.types.UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column('mails', 'postponed_since')
    op.drop_column('mails', 'claims')
