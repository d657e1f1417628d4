"""The index that the staff's search goes through, filled from the applications that wait.

Revision: 0009, after 0008
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

BATCH = 500
# The rules as they are at this revision: later ones may differ, and bring their own migration.
WAITING = (
    'first_review', 'second_review', 'lead_review', 'probation_decision', 'appeal_review',
    'changes_requested', 'voting', 'voting_extended',
)


def upgrade() -> None:
    texts = op.create_table('application_search',
    sa.Column('application_id', sa.String(length=36), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['application_id'], ['applications.id'], name=op.f('fk_application_search_application_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('application_id', name=op.f('pk_application_search'))
    )
    grams = op.create_table('application_grams',
    sa.Column('gram', sa.LargeBinary(length=12), nullable=False),
    sa.Column('application_id', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('gram', 'application_id', name=op.f('pk_application_grams')),
    sqlite_with_rowid=False
    )
    last = ''
    while rows := _page(last):
        texts_of = {row.id: f'{_folded(row.display_name)}\n{_folded(row.headline)}' for row in rows}
        op.bulk_insert(texts, [{'application_id': own, 'text': text} for own, text in texts_of.items()])
        op.bulk_insert(grams, [
            {'gram': gram.encode(), 'application_id': own}
            for own, text in texts_of.items()
            for gram in sorted(_grams(text))
        ])
        last = rows[-1].id


def _page(after: str) -> list[sa.Row]:
    applications = sa.table('applications', sa.column('id'), sa.column('person_id'), sa.column('headline'), sa.column('stage'))
    people = sa.table('people', sa.column('id'), sa.column('display_name'))
    found = (
        sa.select(applications.c.id, applications.c.headline, people.c.display_name)
        .join(people, people.c.id == applications.c.person_id)
        .where(applications.c.stage.in_(WAITING), applications.c.id > after)
        .order_by(applications.c.id)
        .limit(BATCH)
    )
    return list(op.get_bind().execute(found))


def _folded(text: str) -> str:
    plain = unicodedata.normalize('NFKC', text).casefold()
    return ' '.join(unicodedata.normalize('NFKC', plain).split())


def _grams(text: str) -> set[str]:
    return {line[start : start + 3] for line in text.split('\n') for start in range(len(line))}


def downgrade() -> None:
    op.drop_table('application_grams')
    op.drop_table('application_search')
