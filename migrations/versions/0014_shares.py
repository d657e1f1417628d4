"""Pictures of check-ins; notes shown to everybody, their visits, joins and shares.

Revision: 0014, after 0013
"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('sharing_choices',
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('choice', sa.String(length=10), nullable=False),
    sa.CheckConstraint("choice IN ('named', 'anonymous', 'declined')", name=op.f('ck_sharing_choices_choice')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_sharing_choices_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_sharing_choices_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('campaign_id', 'person_id', name=op.f('pk_sharing_choices')),
    sqlite_with_rowid=False
    )
    op.create_table('check_in_pictures',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('check_in_id', sa.String(length=36), nullable=True),
    sa.Column('media_type', sa.String(length=32), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('storage_name', sa.String(length=80), nullable=False),
    sa.Column('created_at', db.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_check_in_pictures_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['check_in_id'], ['check_ins.id'], name=op.f('fk_check_in_pictures_check_in_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_check_in_pictures_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_check_in_pictures')),
    sa.UniqueConstraint('check_in_id', name=op.f('uq_check_in_pictures_check_in_id')),
    sa.UniqueConstraint('storage_name', name=op.f('uq_check_in_pictures_storage_name'))
    )
    with op.batch_alter_table('check_in_pictures', schema=None) as batch_op:
        batch_op.create_index('ix_check_in_pictures_owner', ['person_id', 'campaign_id'], unique=False)
        batch_op.create_index('ix_check_in_pictures_unused', ['check_in_id', 'created_at'], unique=False)

    op.create_table('featured_notes',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('check_in_id', sa.String(length=36), nullable=True),
    sa.Column('author_id', sa.String(length=36), nullable=True),
    sa.Column('code', sa.String(length=32), nullable=False),
    sa.Column('featured_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('featured_by', sa.String(length=36), nullable=True),
    sa.Column('ended_at', db.types.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['author_id'], ['people.id'], name=op.f('fk_featured_notes_author_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_featured_notes_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['check_in_id'], ['check_ins.id'], name=op.f('fk_featured_notes_check_in_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['featured_by'], ['people.id'], name=op.f('fk_featured_notes_featured_by'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_featured_notes')),
    sa.UniqueConstraint('check_in_id', name=op.f('uq_featured_notes_check_in_id')),
    sa.UniqueConstraint('code', name=op.f('uq_featured_notes_code'))
    )
    with op.batch_alter_table('featured_notes', schema=None) as batch_op:
        batch_op.create_index('ix_featured_notes_author', ['author_id', 'campaign_id'], unique=False)
        batch_op.create_index('ix_featured_notes_campaign', ['campaign_id', 'id'], unique=False)

    op.create_table('private_notes',
    sa.Column('check_in_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['check_in_id'], ['check_ins.id'], name=op.f('fk_private_notes_check_in_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('check_in_id', name=op.f('pk_private_notes')),
    sqlite_with_rowid=False
    )
    op.create_table('note_shares',
    sa.Column('featured_id', sa.String(length=36), nullable=False),
    sa.Column('sharer', sa.String(length=43), nullable=False),
    sa.Column('channel', sa.String(length=8), nullable=False),
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=True),
    sa.Column('at', db.types.UtcDateTime(), nullable=False),
    sa.CheckConstraint("channel IN ('link', 'poster')", name=op.f('ck_note_shares_channel')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_note_shares_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['featured_id'], ['featured_notes.id'], name=op.f('fk_note_shares_featured_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_note_shares_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('featured_id', 'sharer', 'channel', name=op.f('pk_note_shares')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('note_shares', schema=None) as batch_op:
        batch_op.create_index('ix_note_shares_campaign', ['campaign_id', 'at'], unique=False)
        batch_op.create_index('ix_note_shares_person', ['person_id', 'at'], unique=False)

    op.create_table('share_joins',
    sa.Column('campaign_id', sa.String(length=36), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('featured_id', sa.String(length=36), nullable=False),
    sa.Column('joined_at', db.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_share_joins_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['featured_id'], ['featured_notes.id'], name=op.f('fk_share_joins_featured_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_share_joins_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('campaign_id', 'person_id', name=op.f('pk_share_joins')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('share_joins', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_share_joins_featured_id'), ['featured_id'], unique=False)

    op.create_table('share_visits',
    sa.Column('featured_id', sa.String(length=36), nullable=False),
    sa.Column('visitor', sa.String(length=43), nullable=False),
    sa.Column('day', sa.String(length=10), nullable=False),
    sa.Column('referrer_host', sa.String(length=100), nullable=False),
    sa.ForeignKeyConstraint(['featured_id'], ['featured_notes.id'], name=op.f('fk_share_visits_featured_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('featured_id', 'visitor', name=op.f('pk_share_visits')),
    sqlite_with_rowid=False
    )


def downgrade() -> None:
    op.drop_table('share_visits')
    with op.batch_alter_table('share_joins', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_share_joins_featured_id'))

    op.drop_table('share_joins')
    with op.batch_alter_table('note_shares', schema=None) as batch_op:
        batch_op.drop_index('ix_note_shares_person')
        batch_op.drop_index('ix_note_shares_campaign')

    op.drop_table('note_shares')
    op.drop_table('private_notes')
    with op.batch_alter_table('featured_notes', schema=None) as batch_op:
        batch_op.drop_index('ix_featured_notes_campaign')
        batch_op.drop_index('ix_featured_notes_author')

    op.drop_table('featured_notes')
    with op.batch_alter_table('check_in_pictures', schema=None) as batch_op:
        batch_op.drop_index('ix_check_in_pictures_unused')
        batch_op.drop_index('ix_check_in_pictures_owner')

    op.drop_table('check_in_pictures')
    op.drop_table('sharing_choices')
