"""Invitations by mail, the addresses that want none, and the friends whom notes mention.

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

OPEN = sa.text("ended_at IS NULL")
PERSONAL = sa.text("ended_at IS NULL AND channel <> 'email'")


def _channels(allowed: str) -> None:
    """Change which channels there are; SQLite takes over no check of a table that it makes anew."""
    with op.batch_alter_table('invitations', schema=None) as batch_op:
        if op.get_context().dialect.name != 'sqlite':
            batch_op.drop_constraint(op.f('ck_invitations_channel'), type_='check')
        batch_op.create_check_constraint(op.f('ck_invitations_channel'), f"channel IN ({allowed})")


def upgrade() -> None:
    op.drop_index('uq_invitations_personal', table_name='invitations')
    _channels("'link', 'qr', 'email'")
    op.create_index('uq_invitations_personal', 'invitations', ['campaign_id', 'inviter_id', 'channel'], unique=True, sqlite_where=PERSONAL, postgresql_where=PERSONAL)
    op.create_index('ix_people_name', 'people', [sa.literal_column('lower(display_name)')], unique=False)

    op.create_table('invitation_mails',
    sa.Column('invitation_id', sa.String(length=36), nullable=False),
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('inviter_id', sa.String(length=36), nullable=False),
    sa.Column('address_hash', sa.String(length=64), nullable=False),
    sa.Column('email', sa.String(length=320), nullable=True),
    sa.Column('mail_id', sa.String(length=36), nullable=True),
    sa.Column('check_in_id', sa.String(length=36), nullable=True),
    sa.Column('created_at', db.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_invitation_mails_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['invitation_id'], ['invitations.id'], name=op.f('fk_invitation_mails_invitation_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['inviter_id'], ['people.id'], name=op.f('fk_invitation_mails_inviter_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['mail_id'], ['mails.id'], name=op.f('fk_invitation_mails_mail_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('invitation_id', name=op.f('pk_invitation_mails')),
    sa.UniqueConstraint('campaign_id', 'inviter_id', 'address_hash', name=op.f('uq_invitation_mails_campaign_id_inviter_id_address_hash'))
    )
    with op.batch_alter_table('invitation_mails', schema=None) as batch_op:
        batch_op.create_index('ix_invitation_mails_address', ['address_hash', 'created_at'], unique=False)
        batch_op.create_index('ix_invitation_mails_check_in', ['check_in_id'], unique=False, sqlite_where=sa.text('check_in_id IS NOT NULL'), postgresql_where=sa.text('check_in_id IS NOT NULL'))
        batch_op.create_index('ix_invitation_mails_inviter', ['inviter_id', 'created_at'], unique=False)
        batch_op.create_index('ix_invitation_mails_kept', ['created_at'], unique=False, sqlite_where=sa.text('email IS NOT NULL'), postgresql_where=sa.text('email IS NOT NULL'))
        batch_op.create_index('ix_invitation_mails_mail_id', ['mail_id'], unique=False)

    op.create_table('invitation_refusals',
    sa.Column('address_hash', sa.String(length=64), nullable=False),
    sa.Column('created_at', db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('address_hash', name=op.f('pk_invitation_refusals'))
    )
    op.create_table('mentions',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('check_in_id', sa.String(length=36), nullable=False),
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('day', sa.Integer(), nullable=False),
    sa.Column('author_id', sa.String(length=36), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.ForeignKeyConstraint(['author_id'], ['people.id'], name=op.f('fk_mentions_author_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_mentions_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['check_in_id'], ['check_ins.id'], name=op.f('fk_mentions_check_in_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_mentions_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mentions')),
    sa.UniqueConstraint('check_in_id', 'person_id', name=op.f('uq_mentions_check_in_id_person_id'))
    )
    with op.batch_alter_table('mentions', schema=None) as batch_op:
        batch_op.create_index('ix_mentions_person', ['campaign_id', 'person_id', 'id'], unique=False)


def downgrade() -> None:
    op.drop_table('mentions')
    op.drop_table('invitation_refusals')
    op.drop_table('invitation_mails')
    op.drop_index('ix_people_name', table_name='people')
    op.execute("DELETE FROM invitations WHERE channel = 'email'")
    op.drop_index('uq_invitations_personal', table_name='invitations')
    _channels("'link', 'qr'")
    op.create_index('uq_invitations_personal', 'invitations', ['campaign_id', 'inviter_id', 'channel'], unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
