"""Templates of campaigns that staff have changed or added.

Revision: 0013, after 0012
"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('campaign_templates',
    sa.Column('code', sa.String(length=32), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('settings', db.types.Json, nullable=False),
    sa.Column('words', db.types.Json, nullable=False),
    sa.Column('retired', sa.Boolean(), nullable=False),
    sa.Column('created_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('created_by', sa.String(length=36), nullable=True),
    sa.Column('note', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['created_by'], ['people.id'], name=op.f('fk_campaign_templates_created_by'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('code', 'version', name=op.f('pk_campaign_templates'))
    )


def downgrade() -> None:
    op.drop_table('campaign_templates')
