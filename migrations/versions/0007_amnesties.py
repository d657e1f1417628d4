"""Amnesties of campaigns: who declared them, why, and how many members each changed.

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('campaign_amnesties',
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('days', db.types.Json, nullable=False),
    sa.Column('declared_by', sa.String(length=36), nullable=True),
    sa.Column('declared_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('note_id', sa.String(length=36), nullable=True),
    sa.Column('members', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_campaign_amnesties_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['declared_by'], ['people.id'], name=op.f('fk_campaign_amnesties_declared_by'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('campaign_id', 'number', name=op.f('pk_campaign_amnesties'))
    )


def downgrade() -> None:
    op.drop_table('campaign_amnesties')
