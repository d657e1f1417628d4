"""The ledger of points: accounts, transfers, postings, and what was moved each day.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

def upgrade() -> None:

    op.create_table('point_accounts',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('owner', sa.String(length=36), nullable=False),
    sa.Column('balance', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("balance >= 0 OR kind = 'issued'", name=op.f('ck_point_accounts_balance')),
    sa.CheckConstraint("id = kind || ':' || owner", name=op.f('ck_point_accounts_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_point_accounts')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('point_accounts', schema=None) as batch_op:
        batch_op.create_index('ix_point_accounts_reserves', ['id'], unique=False, sqlite_where=sa.text("kind = 'reserve'"), postgresql_where=sa.text("kind = 'reserve'"))

    op.create_table('point_days',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('source', sa.String(length=16), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'kind', 'source', name=op.f('pk_point_days')),
    sqlite_with_rowid=False
    )
    op.create_table('point_transfers',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('key', sa.String(length=240), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(length=16), nullable=True),
    sa.Column('source', sa.String(length=16), nullable=True),
    sa.Column('reference', sa.String(length=160), nullable=False),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('actor_id', sa.String(length=36), nullable=True),
    sa.Column('reverses', sa.String(length=36), nullable=True),
    sa.Column('happened_at', db.types.UtcDateTime(), nullable=False),
    sa.Column('recorded_at', db.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['reverses'], ['point_transfers.id'], name=op.f('fk_point_transfers_reverses')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_point_transfers')),
    sa.UniqueConstraint('key', name=op.f('uq_point_transfers_key')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('point_transfers', schema=None) as batch_op:
        batch_op.create_index('uq_point_transfers_reverses', ['reverses'], unique=True, sqlite_where=sa.text('reverses IS NOT NULL'), postgresql_where=sa.text('reverses IS NOT NULL'))

    op.create_table('point_postings',
    sa.Column('transfer_id', sa.String(length=36), nullable=False),
    sa.Column('account_id', sa.String(length=64), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('amount <> 0', name=op.f('ck_point_postings_amount')),
    sa.ForeignKeyConstraint(['account_id'], ['point_accounts.id'], name=op.f('fk_point_postings_account_id')),
    sa.ForeignKeyConstraint(['transfer_id'], ['point_transfers.id'], name=op.f('fk_point_postings_transfer_id')),
    sa.PrimaryKeyConstraint('transfer_id', 'account_id', name=op.f('pk_point_postings')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('point_postings', schema=None) as batch_op:
        batch_op.create_index('ix_point_postings_account', ['account_id', 'transfer_id'], unique=False)

def downgrade() -> None:

    with op.batch_alter_table('point_postings', schema=None) as batch_op:
        batch_op.drop_index('ix_point_postings_account')

    op.drop_table('point_postings')
    with op.batch_alter_table('point_transfers', schema=None) as batch_op:
        batch_op.drop_index('uq_point_transfers_reverses', sqlite_where=sa.text('reverses IS NOT NULL'), postgresql_where=sa.text('reverses IS NOT NULL'))

    op.drop_table('point_transfers')
    op.drop_table('point_days')
    with op.batch_alter_table('point_accounts', schema=None) as batch_op:
        batch_op.drop_index('ix_point_accounts_reserves', sqlite_where=sa.text("kind = 'reserve'"), postgresql_where=sa.text("kind = 'reserve'"))

    op.drop_table('point_accounts')

