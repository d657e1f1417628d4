"""Letters without the two indexes that nothing looks anything up in: each cost every letter a write.

Revision: 0015, after 0014
"""

from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index('ix_mails_process_id', table_name='mails')
    op.drop_index('ix_mails_provider_id', table_name='mails')


def downgrade() -> None:
    op.create_index('ix_mails_provider_id', 'mails', ['provider_id'], unique=False)
    op.create_index('ix_mails_process_id', 'mails', ['process_id'], unique=False)
