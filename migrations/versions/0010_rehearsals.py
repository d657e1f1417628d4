"""Rehearsals of campaigns.

Revision: 0010, after 0009
"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('rehearsals',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('asked_by', sa.String(length=36), nullable=True),
    sa.Column('asked_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('script', db.types.Json, nullable=False),
    sa.Column('temperament', sa.String(length=16), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('day', sa.Integer(), nullable=False),
    sa.Column('started_at', db.types.UtcDateTime(), nullable=True),
    sa.Column('ended_at', db.types.UtcDateTime(), nullable=True),
    sa.Column('failure', sa.String(length=16), nullable=True),
    sa.Column('forecast', db.types.Json, nullable=True),
    sa.Column('deadline_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('expires_at', db.types.UtcDateTime(), nullable=False),
    sa.CheckConstraint("status IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f('ck_rehearsals_status')),
    sa.ForeignKeyConstraint(['asked_by'], ['people.id'], name=op.f('fk_rehearsals_asked_by'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_rehearsals_campaign_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rehearsals'))
    )
    with op.batch_alter_table('rehearsals', schema=None) as batch_op:
        batch_op.create_index('ix_rehearsals_campaign_id_asked_at', ['campaign_id', 'asked_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_rehearsals_expires_at'), ['expires_at'], unique=False)
        batch_op.create_index('uq_rehearsals_active', ['campaign_id'], unique=True, sqlite_where=sa.text("status IN ('queued', 'running')"), postgresql_where=sa.text("status IN ('queued', 'running')"))



def downgrade() -> None:
    with op.batch_alter_table('rehearsals', schema=None) as batch_op:
        batch_op.drop_index('uq_rehearsals_active', sqlite_where=sa.text("status IN ('queued', 'running')"), postgresql_where=sa.text("status IN ('queued', 'running')"))
        batch_op.drop_index(batch_op.f('ix_rehearsals_expires_at'))
        batch_op.drop_index('ix_rehearsals_campaign_id_asked_at')

    op.drop_table('rehearsals')
