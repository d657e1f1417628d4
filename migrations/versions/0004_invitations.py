"""Invitations to campaigns, and the friends who joined by them.

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('invitations',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('inviter_id', sa.String(length=36), nullable=False),
    sa.Column('channel', sa.String(length=8), nullable=False),
    sa.Column('code', sa.String(length=32), nullable=False),
    sa.Column('created_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('expires_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('opened_at', db.types.UtcDateTime(), nullable=True),
    sa.Column('ended_at', db.types.UtcDateTime(), nullable=True),
    sa.CheckConstraint("channel IN ('link', 'qr')", name=op.f('ck_invitations_channel')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_invitations_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['inviter_id'], ['people.id'], name=op.f('fk_invitations_inviter_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_invitations')),
    sa.UniqueConstraint('code', name=op.f('uq_invitations_code'))
    )
    with op.batch_alter_table('invitations', schema=None) as batch_op:
        batch_op.create_index('uq_invitations_personal', ['campaign_id', 'inviter_id', 'channel'], unique=True, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))

    op.create_table('invitation_joins',
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('friend_id', sa.String(length=36), nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('invitation_id', sa.String(length=36), nullable=False),
    sa.Column('inviter_id', sa.String(length=36), nullable=False),
    sa.Column('inviter_shard', sa.Integer(), nullable=False),
    sa.Column('joined_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('new_member', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=10), nullable=False),
    sa.Column('reasons', db.types.Json, nullable=False),
    sa.Column('client_hash', sa.String(length=64), nullable=True),
    sa.Column('activated_at', db.types.UtcDateTime(), nullable=True),
    sa.Column('decided_by', sa.String(length=36), nullable=True),
    sa.Column('decided_at', db.types.UtcDateTime(), nullable=True),
    sa.Column('severed_at', db.types.UtcDateTime(), nullable=True),
    sa.CheckConstraint("status IN ('joined', 'doubtful', 'activated', 'rejected')", name=op.f('ck_invitation_joins_status')),
    sa.CheckConstraint('friend_id <> inviter_id', name=op.f('ck_invitation_joins_oneself')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_invitation_joins_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['decided_by'], ['people.id'], name=op.f('fk_invitation_joins_decided_by'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['friend_id'], ['people.id'], name=op.f('fk_invitation_joins_friend_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['invitation_id'], ['invitations.id'], name=op.f('fk_invitation_joins_invitation_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['inviter_id'], ['people.id'], name=op.f('fk_invitation_joins_inviter_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('campaign_id', 'friend_id', name=op.f('pk_invitation_joins')),
    sa.UniqueConstraint('id', name=op.f('uq_invitation_joins_id')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('invitation_joins', schema=None) as batch_op:
        batch_op.create_index('ix_invitation_joins_doubtful', ['id'], unique=False, sqlite_where=sa.text("status = 'doubtful'"), postgresql_where=sa.text("status = 'doubtful'"))
        batch_op.create_index('ix_invitation_joins_friend_id', ['friend_id'], unique=False)
        batch_op.create_index('ix_invitation_joins_inviter', ['inviter_id', 'joined_at'], unique=False)
        batch_op.create_index('ix_invitation_joins_pending', ['campaign_id', 'inviter_shard', 'inviter_id'], unique=False, sqlite_where=sa.text("status = 'joined'"), postgresql_where=sa.text("status = 'joined'"))



def downgrade() -> None:
    with op.batch_alter_table('invitation_joins', schema=None) as batch_op:
        batch_op.drop_index('ix_invitation_joins_pending', sqlite_where=sa.text("status = 'joined'"), postgresql_where=sa.text("status = 'joined'"))
        batch_op.drop_index('ix_invitation_joins_inviter')
        batch_op.drop_index('ix_invitation_joins_friend_id')
        batch_op.drop_index('ix_invitation_joins_doubtful', sqlite_where=sa.text("status = 'doubtful'"), postgresql_where=sa.text("status = 'doubtful'"))

    op.drop_table('invitation_joins')
    with op.batch_alter_table('invitations', schema=None) as batch_op:
        batch_op.drop_index('uq_invitations_personal', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))

    op.drop_table('invitations')
