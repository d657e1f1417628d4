"""Invitations know their day, joins their note; who brought whom can be paged.

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('invitations', sa.Column('day', sa.Integer(), server_default='0', nullable=False))
    op.add_column('invitation_joins', sa.Column('note_id', sa.String(length=36), nullable=True))
    op.create_index('ix_invitation_joins_tree', 'invitation_joins', ['campaign_id', 'inviter_id', 'id'])
    op.create_index('ix_invitation_joins_client', 'invitation_joins', ['client_hash'], sqlite_where=sa.text('client_hash IS NOT NULL'), postgresql_where=sa.text('client_hash IS NOT NULL'))


def downgrade() -> None:
    op.drop_index('ix_invitation_joins_client', 'invitation_joins')
    op.drop_index('ix_invitation_joins_tree', 'invitation_joins')
    op.drop_column('invitation_joins', 'note_id')
    op.drop_column('invitations', 'day')
