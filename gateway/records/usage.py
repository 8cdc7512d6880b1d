"""What an organisation has used, summed up from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from msgspec import UNSET, Struct, UnsetType
from psycopg.sql import SQL, Composed, Identifier

from gateway.core.errors import StoreAway
from gateway.core.limits import NANO
from gateway.core.money import Picodollars, dollars
from gateway.stores.breaker import Unavailable
from gateway.stores.postgres import Postgres

Group = Literal["day", "model", "key", "intent"]
GROUPS: Final[tuple[Group, ...]] = ("day", "model", "key", "intent")

# Money and tokens are those of final rows, whatever the grouping, so that the groups always add up to the whole. An
# attempt in vain counts as an attempt of the model that was asked, and costs where its request is.
_SUMS: Final = SQL("""
    count(*) filter (where attempt = 0) as requests,
    count(*) filter (where attempt > 0 and cache = 'miss') as attempts,
    count(*) filter (where attempt = 0 and status not in ('answered', 'left')) as errors,
    coalesce(sum(input_tokens) filter (where attempt = 0), 0) as input_tokens,
    coalesce(sum(cached_tokens) filter (where attempt = 0), 0) as cached_tokens,
    coalesce(sum(output_tokens) filter (where attempt = 0), 0) as output_tokens,
    coalesce(sum(reasoning_tokens) filter (where attempt = 0), 0) as reasoning_tokens,
    coalesce(sum(cost) filter (where attempt = 0), 0) as cost,
    count(*) filter (where attempt = 0 and estimated) as estimated,
    count(*) filter (where attempt = 0 and cost is null) as unpriced
""")
_COLUMNS: Final[dict[Group, SQL]] = {
    "day": SQL("to_char(at at time zone 'UTC', 'YYYY-MM-DD')"),
    "model": SQL("model"),
    "key": SQL("key_id"),
    "intent": SQL("intent"),
}
# What each request has cost is rounded up to nanodollars, as the counters that are compared with this do it.
_SPENT: Final = """
    select coalesce(sum(nano) filter (where at >= date_trunc('day', now(), 'UTC')), 0) as day,
           coalesce(sum(nano), 0) as month
    from (select at, (cost + %(nano)s - 1) / %(nano)s as nano, key_id from ledger where attempt = 0) as final
    where at >= date_trunc('month', now(), 'UTC') and (%(key)s::text is null or key_id = %(key)s)
"""


class Used(Struct, omit_defaults=True):
    """The sums of one group; of what is not grouped by nothing is said."""

    requests: int
    attempts: int
    errors: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: int  # picodollars
    cost_usd: str
    estimated: int  # requests whose tokens the provider did not say
    unpriced: int  # requests of which no price was known
    day: str | UnsetType = UNSET  # of UTC, as 2026-11-26
    model: str | UnsetType = UNSET  # who answered, as provider/model; empty where nobody did
    key: str | UnsetType = UNSET  # the key's id
    intent: str | UnsetType = UNSET


class Spent(NamedTuple):
    """Nanodollars since the day and the month (UTC) began."""

    day: int
    month: int


async def used(
    postgres: Postgres, organisation: str, groups: Sequence[Group], since: datetime, until: datetime
) -> list[Used]:
    """The organisation's usage from `since` to before `until`, by these groups in their order. Raises StoreAway."""
    query = _grouped(list(dict.fromkeys(groups)))
    try:
        async with postgres.tenant(organisation) as cursor:
            await cursor.execute(query, (since, until))
            rows = await cursor.fetchall()
    except Unavailable:
        raise StoreAway("The ledger cannot be read now; please try again.") from None
    return [_used(row) for row in rows]


async def spent(postgres: Postgres, organisation: str, key_id: str | None = None) -> Spent:
    """What the organisation, or one key of it, has spent. Raises Unavailable."""
    async with postgres.tenant(organisation) as cursor:
        await cursor.execute(_SPENT, {"nano": NANO, "key": key_id})
        (row,) = await cursor.fetchall()
    return Spent(int(row["day"]), int(row["month"]))


def _grouped(names: Sequence[Group]) -> Composed:
    columns = SQL("").join([SQL("{} as {}, ").format(_COLUMNS[name], Identifier(name)) for name in names])
    numbers = SQL(", ").join([SQL(str(k + 1)) for k in range(len(names))])
    grouped = SQL(" group by {} order by {}").format(numbers, numbers) if names else SQL("")
    return SQL("select {}{} from ledger where at >= %s and at < %s{}").format(columns, _SUMS, grouped)


def _used(row: dict[str, object]) -> Used:
    """A row of the database as it is told; sums come as Decimal."""
    told = {name: value if isinstance(value, str) else int(str(value)) for name, value in row.items()}
    cost = Picodollars(int(told["cost"]))
    return Used(**told, cost_usd=dollars(cost))  # type: ignore[arg-type]
