"""Attacks on the mask: secrets where nobody expects them, in forms that nobody should write."""

import asyncio
import json
import logging
import traceback
from itertools import product

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from netra_core.database import (
    DatabaseSessionManager,
    DatabaseURLBuilder,
    SystemContext,
    mask_url,
)
from netra_core.errors import DatabaseError

SECRET = "Hunter2"
SCHEMES = [
    "postgresql", "POSTGRES", "PostgreSQL+AsyncPG", "postgresql+psycopg2cffi", "cockroachdb",
    "jdbc:postgresql", "jdbc:sqlserver", "mongodb+srv", "redis+sentinel", "sqlite+pysqlcipher",
    "mssql+pyodbc", "clickhouse+native", "x.y",
]  # fmt: skip
LOGINS = [
    f"u:{SECRET}@h1:1,h2:2/d", f"u:p@ss{SECRET}@h/d", f"u@h:{SECRET}/d", f"h:5432:{SECRET}/d",
    f":{SECRET}@h", f"u:{SECRET}@", f"{SECRET}:@h/d", f"u:{SECRET}@h/d\n", f"u:\n{SECRET}@h/d",
    f"u:{SECRET} @h/d", f"u\t:{SECRET}@h/d", f"u:{SECRET}@[::1]:5/d", f"u:{SECRET}@/d?host=/tmp",
    f"u/{SECRET}@h/d", f"u?{SECRET}@h/d", f"u#{SECRET}@h/d", f"h/{SECRET}@d", f"h/d?a=b@{SECRET}",
    f"u%3A{SECRET}%40h/d", f"u:{SECRET}%40h/d", f"%75:{SECRET}@h", f"u:{SECRET}@%2Ftmp/d",
    f"h {SECRET}/d", f"h/d {SECRET}", f"h/d|{SECRET}", f"u:x@h/d|{SECRET}", f"h/d,{SECRET}",
    f"user:{SECRET}", f"user:{SECRET}/db", f"12345:67890{SECRET}/",
]  # fmt: skip
PARAMETERS = [
    f"d?{pair}"
    for pair in (
        f"sslpassword={SECRET}", f"PASSWORD={SECRET}&x=1", f"p=1&passwd={SECRET}", f"pw={SECRET}",
        f"bearer={SECRET}", f"jwt={SECRET}", f"sas={SECRET}", f"pin={SECRET}", f"login=u:{SECRET}",
        f"AccountKey={SECRET}", f"password[]={SECRET}", f"db.password={SECRET}", f"{SECRET}",
        f"pAsSwOrD%20={SECRET}", f"%50%41ss={SECRET}", f"pass%00word={SECRET}", f"{SECRET}=1@2",
        f"options=-c%20my.password%3D{SECRET}", f"opt=a%3Db%26password%3D{SECRET}",
        f"user%3Du%26password%3D{SECRET}", f"password:{SECRET}", f"host=a%20password%3D{SECRET}",
        f"dbname=u:{SECRET}@h", f"sslmode=require;pwd={SECRET}", f"x#pw={SECRET}", f"x=1#{SECRET}",
        f"passfile=/run/{SECRET}", f"service={SECRET}", f"application_name=a%26b%3D{SECRET}",
    )
] + [f"d;password={SECRET}", f"d;user=sa;password={SECRET};database=d"]  # fmt: skip
PLAIN = [
    f"host=h password='a b {SECRET}' port=1", f"host=h password = '{SECRET}\\' x'",
    f"host=h\npassword={SECRET}", f"host=h pass word={SECRET}", f"password=x y host={SECRET}",
    f"host=h dbname='x password={SECRET}'", f"password='it\\'s {SECRET}' host=h",
    f"host=h options='-c a={SECRET}'", f"host=h application_name=x\\ {SECRET}",
    f"password= host={SECRET}", f"password='x host={SECRET} '", f"password=a\\ host={SECRET}",
    f"password='x' host='{SECRET}", f"host=h sslpassword={SECRET}", f"passfile={SECRET} host=h",
    f"Server=h;Uid=u;Pwd={SECRET};", f'Data Source=h;Password="{SECRET};x";', f"u/{SECRET}@h:1/o",
    f"Basic {SECRET}", f"u:{SECRET}", f"u:{SECRET}/db", f"//{SECRET}@h", f"//u:{SECRET}@h/d",
    json.dumps({"url": f"postgresql://u:{SECRET}@h/d"}), f"<postgresql://u:{SECRET}@h/d>",
    f"export DATABASE_URL='postgresql://u:{SECRET}@h/d'", f"postgresql ://u:{SECRET}@h/d",
    f"\ufeffpostgresql://u:{SECRET}@h/d", f"postgresql:\\\\u:{SECRET}@h\\d",
    f"postgresql:////u:{SECRET}@h/d", f"postgresql:/u:{SECRET}@h", f"tcp:h,1433;Password={SECRET}",
    f"postgresql://h/d, postgresql://u:{SECRET}@h2/d2", f"url: postgresql://u:{SECRET}@h/d",
    f"postgresql://u:{SECRET}@h/d postgresql://u:{SECRET}@h/d", f"sqlite://u:{SECRET}%40h/d",
    f"postgresql:u:{SECRET}", f"psql -h h -p {SECRET}", f"PGPASSWORD={SECRET} psql",
]  # fmt: skip
ATTACKS = [f"{scheme}://{login}" for scheme, login in product(SCHEMES, LOGINS)]
ATTACKS += [f"{scheme}://h/{more}" for scheme, more in product(SCHEMES, PARAMETERS)]
ATTACKS += PLAIN


def test_there_are_far_more_than_two_hundred_ways() -> None:
    assert len(set(ATTACKS)) > 800


@pytest.mark.parametrize("way", [LOGINS, PARAMETERS, PLAIN], ids=["login", "parameter", "plain"])
def test_no_way_to_write_a_url_shows_its_secret(way: list[str]) -> None:
    attacks = [text for text in ATTACKS if any(text.endswith(end) for end in way)]
    assert len(attacks) >= len(way)
    assert {text: mask_url(text) for text in attacks if SECRET in mask_url(text)} == {}


def test_a_url_parsed_by_sqlalchemy_shows_no_secret_either() -> None:
    parsed = []
    for text in ATTACKS:
        try:
            parsed.append(make_url(text))
        except Exception:  # what SQLAlchemy does not read is shown by nobody
            continue
    assert len(parsed) > 300
    shown = {str(url): mask_url(url) for url in parsed}
    assert {text: mask for text, mask in shown.items() if SECRET in mask} == {}


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_what_stands_before_the_last_at_is_never_shown(a: str, b: str, c: str) -> None:
    secret = "zq9zq"
    assert secret not in mask_url(f"postgresql://{a}{secret}{b}@{c.replace('@', '')}")
    assert secret not in mask_url(f"postgresql://u:{a}{secret}{b}@h/d")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgresql+asyncpg://u:p@db.example.com:5432/apex?ssl=verify-full&connect_timeout=3",
            "postgresql+asyncpg://***:***@db.example.com:5432/apex?ssl=verify-full&connect_timeout=3",
        ),
        ("postgresql://u@h1:1,h2:2/d", "postgresql://***@h1:1,h2:2/d"),
        ("postgresql://u:p@[::1]:5432/d", "postgresql://***:***@[::1]:5432/d"),
        (
            "postgresql://u:p@/d?host=/cloudsql/p:r:i",
            "postgresql://***:***@/d?host=/cloudsql/p:r:i",
        ),
        ("sqlite:////data/my apex (1).sqlite", "sqlite:////data/my apex (1).sqlite"),
        ("sqlite:///C:/data/a.sqlite?mode=ro", "sqlite:///C:/data/a.sqlite?mode=ro"),
        ("sqlite://", "sqlite://"),
    ],
)
def test_what_an_operator_needs_is_still_shown(url: str, shown: str) -> None:
    assert mask_url(url) == shown


ASKED = [
    f"postgresql://u:{SECRET}@127.0.0.1:1/d",
    f"postgresql://127.0.0.1:1/d?user=u&password={SECRET}",
    f"postgresql+asyncpg://u:{SECRET}%40x@127.0.0.1:1/d?ssl=require",
]


@pytest.mark.parametrize("url", ASKED)
def test_no_error_traceback_repr_or_log_line_of_a_failed_connection_holds_the_password(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> DatabaseError:
        sessions = DatabaseSessionManager(DatabaseURLBuilder.format_for_driver(url, "asyncpg"))
        try:
            with pytest.raises(DatabaseError) as caught:
                await sessions.read(SystemContext(actor="test"), lambda c: None)
            return caught.value
        finally:
            shown.append(repr(sessions.engine))
            await sessions.dispose()

    shown: list[str] = []
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logs:
        error = asyncio.run(ask())
    shown += traceback.format_exception(error)
    shown += [repr(error), str(error), repr(error.__cause__), caplog.text, str(logs)]
    assert SECRET not in "\n".join(shown)
