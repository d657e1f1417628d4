"""Campaigns, enrolments, check-ins, settlements and reports.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('campaigns',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('leader_id', sa.String(length=36), nullable=False),
    sa.Column('template', sa.String(length=32), nullable=False),
    sa.Column('title', sa.String(length=120), nullable=False),
    sa.Column('summary', sa.String(length=300), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('task', sa.Text(), nullable=False),
    sa.Column('plan', db.types.Json, nullable=False),
    sa.Column('edit_version', sa.Integer(), nullable=False),
    sa.Column('created_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('updated_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('waiting_on', sa.String(length=16), nullable=False),
    sa.Column('waiting_since', db.types.UtcDateTime(), nullable=True),
    sa.Column('next_deadline', db.types.UtcDateTime(), nullable=True),
    sa.Column('if_nothing_happens', sa.String(length=32), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('day', sa.Integer(), nullable=False),
    sa.Column('day_closes_at', db.types.UtcDateTime(), nullable=True),
    sa.Column('closed_through', sa.Integer(), nullable=False),
    sa.Column('length_days', sa.Integer(), nullable=False),
    sa.Column('starts_at', db.types.UtcDateTime(), nullable=True),
    sa.Column('ends_at', db.types.UtcDateTime(), nullable=True),
    sa.Column('reserved', sa.BigInteger(), nullable=False),
    sa.Column('reasons', db.types.Json, nullable=False),
    sa.Column('seats_taken', sa.Integer(), nullable=False),
    sa.Column('last_in_line', sa.Integer(), nullable=False),
    sa.Column('amnesties', db.types.Json, nullable=False),
    sa.Column('policy_version', sa.Integer(), nullable=True),
    sa.Column('clock_offset_seconds', sa.Float(), nullable=False),
    sa.Column('submitted_at', db.types.UtcDateTime(), nullable=True),
    sa.Column('ended_at', db.types.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['leader_id'], ['people.id'], name=op.f('fk_campaigns_leader_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_campaigns'))
    )
    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_campaigns_leader_id'), ['leader_id'], unique=False)
        batch_op.create_index('ix_campaigns_status_id', ['status', 'id'], unique=False)

    op.create_table('campaign_days',
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('day', sa.Integer(), nullable=False),
    sa.Column('opened_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('closed_at', db.types.UtcDateTime(), nullable=True),
    sa.Column('active', sa.Integer(), nullable=False),
    sa.Column('checked_in', sa.Integer(), nullable=False),
    sa.Column('missed', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_campaign_days_campaign_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('campaign_id', 'day', name=op.f('pk_campaign_days'))
    )
    op.create_table('campaign_reports',
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('made_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('figures', db.types.Json, nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_campaign_reports_campaign_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('campaign_id', name=op.f('pk_campaign_reports'))
    )
    op.create_table('check_ins',
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('day', sa.Integer(), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('link', sa.String(length=500), nullable=True),
    sa.Column('streak', sa.Integer(), nullable=False),
    sa.Column('points', sa.Integer(), nullable=False),
    sa.Column('at', db.types.UtcDateTime(), nullable=False),
    sa.Column('featured_at', db.types.UtcDateTime(), nullable=True),
    sa.CheckConstraint("kind IN ('day', 'make_up', 'amnesty')", name=op.f('ck_check_ins_kind')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_check_ins_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_check_ins_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('campaign_id', 'day', 'person_id', name=op.f('pk_check_ins')),
    sa.UniqueConstraint('id', name=op.f('uq_check_ins_id')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('check_ins', schema=None) as batch_op:
        batch_op.create_index('ix_check_ins_person', ['campaign_id', 'person_id', 'day'], unique=False)

    op.create_table('enrolments',
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('shard', sa.Integer(), nullable=False),
    sa.Column('enrolled_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('first_day', sa.Integer(), nullable=False),
    sa.Column('reminder_hour', sa.Integer(), nullable=True),
    sa.Column('in_line', sa.Integer(), nullable=True),
    sa.Column('invited_by', sa.String(length=36), nullable=True),
    sa.Column('new_member', sa.Boolean(), nullable=False),
    sa.Column('days_done', sa.Integer(), nullable=False),
    sa.Column('last_day', sa.Integer(), nullable=False),
    sa.Column('streak', sa.Integer(), nullable=False),
    sa.Column('best_streak', sa.Integer(), nullable=False),
    sa.Column('make_ups_used', sa.Integer(), nullable=False),
    sa.Column('missed', sa.Integer(), nullable=False),
    sa.Column('missed_in_a_row', sa.Integer(), nullable=False),
    sa.Column('closed_through', sa.Integer(), nullable=False),
    sa.Column('friends_activated', sa.Integer(), nullable=False),
    sa.CheckConstraint("status IN ('active', 'waiting', 'left', 'removed')", name=op.f('ck_enrolments_status')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_enrolments_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['invited_by'], ['people.id'], name=op.f('fk_enrolments_invited_by'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_enrolments_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('campaign_id', 'person_id', name=op.f('pk_enrolments')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('enrolments', schema=None) as batch_op:
        batch_op.create_index('ix_enrolments_bulk', ['campaign_id', 'shard', 'person_id'], unique=False)
        batch_op.create_index('ix_enrolments_days', ['campaign_id', 'status', sa.literal_column('days_done DESC'), sa.literal_column('best_streak DESC'), 'person_id'], unique=False)
        batch_op.create_index('ix_enrolments_in_line', ['campaign_id', 'in_line'], unique=False, sqlite_where=sa.text("status = 'waiting'"), postgresql_where=sa.text("status = 'waiting'"))
        batch_op.create_index('ix_enrolments_invitations', ['campaign_id', 'status', sa.literal_column('friends_activated DESC'), sa.literal_column('days_done DESC'), 'person_id'], unique=False, sqlite_where=sa.text('friends_activated > 0'), postgresql_where=sa.text('friends_activated > 0'))
        batch_op.create_index('ix_enrolments_person_id_campaign_id', ['person_id', 'campaign_id'], unique=False)
        batch_op.create_index('ix_enrolments_streak', ['campaign_id', 'status', sa.literal_column('best_streak DESC'), sa.literal_column('days_done DESC'), 'person_id'], unique=False)

    op.create_table('settlements',
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('days_done', sa.Integer(), nullable=False),
    sa.Column('completed', sa.Boolean(), nullable=False),
    sa.Column('check_in_points', sa.Integer(), nullable=False),
    sa.Column('streak_points', sa.Integer(), nullable=False),
    sa.Column('completion_points', sa.Integer(), nullable=False),
    sa.Column('rank_points', sa.Integer(), nullable=False),
    sa.Column('invitation_points', sa.Integer(), nullable=False),
    sa.Column('certificate_code', sa.String(length=32), nullable=True),
    sa.Column('settled_at', db.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_settlements_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_settlements_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('campaign_id', 'person_id', name=op.f('pk_settlements')),
    sa.UniqueConstraint('certificate_code', name=op.f('uq_settlements_certificate_code')),
    sqlite_with_rowid=False
    )


def downgrade() -> None:
    op.drop_table('settlements')
    with op.batch_alter_table('enrolments', schema=None) as batch_op:
        batch_op.drop_index('ix_enrolments_streak')
        batch_op.drop_index('ix_enrolments_person_id_campaign_id')
        batch_op.drop_index('ix_enrolments_invitations')
        batch_op.drop_index('ix_enrolments_in_line')
        batch_op.drop_index('ix_enrolments_days')
        batch_op.drop_index('ix_enrolments_bulk')

    op.drop_table('enrolments')
    with op.batch_alter_table('check_ins', schema=None) as batch_op:
        batch_op.drop_index('ix_check_ins_person')

    op.drop_table('check_ins')
    op.drop_table('campaign_reports')
    op.drop_table('campaign_days')
    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.drop_index('ix_campaigns_status_id')
        batch_op.drop_index(batch_op.f('ix_campaigns_leader_id'))

    op.drop_table('campaigns')
