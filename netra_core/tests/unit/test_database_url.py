"""Database URLs: right for every environment and driver, and no secret in what is shown."""

from pathlib import Path
from urllib.parse import quote

import psycopg.conninfo
import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from netra_core.database import DatabaseURLBuilder, DatabaseUrlError, mask_url
from netra_core.environment import Environment, UnknownEnvironmentError

PARTS = {
    "POSTGRES_HOST": "db.example.com",
    "POSTGRES_PORT": "6543",
    "POSTGRES_USER": "apex",
    "POSTGRES_PASSWORD": "s3cret@/:",
    "POSTGRES_DB": "apex",
}
PRODUCTION = {"ENVIRONMENT": "production", **PARTS}


def builder(**values: str) -> DatabaseURLBuilder:
    return DatabaseURLBuilder(values, sqlite_path=Path("/data/platform.sqlite"))


def errors(values: dict[str, str]) -> list[str]:
    return [f.message for f in DatabaseURLBuilder(values).validate() if f.severity == "error"]


def test_development_with_nothing_set_is_a_file_and_test_is_memory() -> None:
    assert builder().build() == "sqlite+aiosqlite:////data/platform.sqlite"
    assert builder(ENVIRONMENT="test").build("sync") == "sqlite+pysqlite:///:memory:"


def test_aliases_of_production_are_production_and_unknown_names_are_refused() -> None:
    with pytest.raises(DatabaseUrlError, match="production has no database"):
        builder(ENVIRONMENT="prod").build()
    with pytest.raises(UnknownEnvironmentError):
        builder(ENVIRONMENT="prd")


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_deployment_needs_postgresql_or_the_embedded_switch(environment: str) -> None:
    values = {"ENVIRONMENT": environment, "DATABASE_URL": "sqlite:////data/a.sqlite"}
    assert errors(values) == [f"{environment} needs PostgreSQL"]
    assert errors({**values, "APEX_EMBEDDED": "1"}) == []
    assert errors({"ENVIRONMENT": environment, "APEX_EMBEDDED": "1"}) == []


@pytest.mark.parametrize("flag", ["APEX_EMBEDDED", "AUTH_FAST_TEST_MODE", "TESTING"])
@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite+aiosqlite:///:memory:?cache=shared",
        "sqlite:///file::memory:?cache=shared&uri=true",
        "sqlite:///file:/data/a.sqlite?mode=memory&cache=shared&uri=true",
        "sqlite:///file:/shared?vfs=memdb&uri=true",
    ],
)
def test_no_flag_and_no_form_makes_production_run_in_memory(flag: str, url: str) -> None:
    values = {"ENVIRONMENT": "production", "DATABASE_URL": url, flag: "1"}
    assert errors(values) == ["SQLite in memory would lose everything in production"]


@pytest.mark.parametrize(
    ("missing", "word"),
    [("POSTGRES_USER", "user"), ("POSTGRES_PASSWORD", "password"), ("POSTGRES_DB", "name")],
)
def test_production_needs_every_credential(missing: str, word: str) -> None:
    values = {key: value for key, value in PRODUCTION.items() if key != missing}
    (message,) = errors(values)
    assert word in message


def test_none_is_no_name_of_a_database() -> None:
    assert errors({**PRODUCTION, "POSTGRES_DB": "None"}) == ["production needs a database name"]


def test_production_does_not_run_on_localhost() -> None:
    assert errors({**PRODUCTION, "POSTGRES_HOST": "localhost"}) == [
        "production must not use a database on localhost"
    ]


@pytest.mark.parametrize(
    ("driver", "start", "tls"),
    [
        ("async", "postgresql+asyncpg://", "ssl=require"),
        ("asyncpg", "postgresql+asyncpg://", "ssl=require"),
        ("sync", "postgresql+psycopg://", "sslmode=require"),
        ("psycopg", "postgresql+psycopg://", "sslmode=require"),
        ("libpq", "postgresql://", "sslmode=require"),
    ],
)
def test_each_driver_gets_its_own_scheme_and_name_for_tls(
    driver: str, start: str, tls: str
) -> None:
    url = DatabaseURLBuilder(PRODUCTION).build(driver)
    assert url.startswith(start)
    assert url.endswith(f"db.example.com:6543/apex?{tls}")


@pytest.mark.parametrize("given_form", ["postgres", "postgresql", "postgresql+asyncpg"])
@pytest.mark.parametrize("tls", ["ssl=verify-full", "sslmode=verify-full"])
def test_a_url_in_any_drivers_form_is_understood(given_form: str, tls: str) -> None:
    url = f"{given_form}://u:p@h.example.com/db?{tls}"
    made = DatabaseURLBuilder({"DATABASE_URL": url}).build("psycopg")
    assert made == "postgresql+psycopg://u:p@h.example.com/db?sslmode=verify-full"
    assert DatabaseURLBuilder.normalize(url).startswith("postgresql://u:p@h.example.com/db?")


def test_an_authority_of_ones_own_reaches_each_driver_in_its_own_way() -> None:
    values = {**PRODUCTION, "POSTGRES_SSLMODE": "verify-full", "POSTGRES_SSLROOTCERT": "/ca.pem"}
    made = DatabaseURLBuilder(values)
    asked = {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}
    assert make_url(made.build("psycopg")).query == asked
    assert make_url(made.build("libpq")).query == asked
    assert make_url(made.build("asyncpg")).query == {"ssl": "verify-full"}
    assert make_url(made.build_for_engine()).query == {
        "ssl": "verify-full",
        "sslrootcert": "/ca.pem",
    }


def test_tls_is_never_asked_of_a_socket() -> None:
    values = {**PRODUCTION, "POSTGRES_HOST": "/cloudsql/p:r:i", "POSTGRES_SSLMODE": "require"}
    for driver in ("asyncpg", "psycopg", "libpq"):
        url = DatabaseURLBuilder(values).build(driver)
        assert "ssl" not in url
        assert make_url(url).query["host"] == "/cloudsql/p:r:i"


@pytest.mark.parametrize(
    "host", ["/cloudsql/", "/cloudsql/::", "/cloudsql/a:b", "/cloudsql/a::c", "/cloudsql/a:b:c:d"]
)
def test_a_cloud_sql_host_needs_all_three_parts(host: str) -> None:
    (message,) = errors({**PRODUCTION, "POSTGRES_HOST": host})
    assert "Cloud SQL" in message


def test_in_a_container_localhost_is_the_service_host() -> None:
    values = {**PARTS, "POSTGRES_HOST": "localhost"}
    inside = DatabaseURLBuilder(values, in_container=True, container_host="db")
    assert make_url(inside.build()).host == "db"
    assert make_url(DatabaseURLBuilder(values).build()).host == "localhost"
    far = DatabaseURLBuilder(PARTS, in_container=True, container_host="db")
    assert make_url(far.build()).host == "db.example.com"


def test_a_url_that_contradicts_the_parts_wins_and_is_reported() -> None:
    values = {**PARTS, "DATABASE_URL": "postgresql://apex:other@elsewhere:6543/apex"}
    made = DatabaseURLBuilder(values)
    assert make_url(made.build()).host == "elsewhere"
    findings = [(finding.severity, finding.key) for finding in made.validate()]
    assert findings == [("warning", "POSTGRES_HOST"), ("warning", "POSTGRES_PASSWORD")]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://u:hunter2@h/d",
        "hunter2",
        "postgresql://u:hunter2@h:port/d",
        "sqlite://h/hunter2",
    ],
)
def test_a_bad_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(DatabaseUrlError) as caught:
        DatabaseURLBuilder.normalize(url)
    assert "hunter2" not in str(caught.value)


def test_an_unknown_driver_or_one_of_another_database_is_refused() -> None:
    with pytest.raises(DatabaseUrlError, match="unknown database driver 'psycopg2'"):
        DatabaseURLBuilder.format_for_driver("postgresql://u@h/d", "psycopg2")
    with pytest.raises(DatabaseUrlError, match="cannot reach"):
        DatabaseURLBuilder.format_for_driver("postgresql://u@h/d", "aiosqlite")


def test_two_configurations_in_one_process_know_nothing_of_each_other() -> None:
    one, two = DatabaseURLBuilder(PARTS), builder(ENVIRONMENT="test")
    assert one.build() != two.build()
    assert one.debug_info()["environment"] == "development"
    assert two.debug_info()["environment"] == "test"


def test_reports_and_log_lines_hold_no_secret() -> None:
    made = DatabaseURLBuilder(PRODUCTION)
    shown = [made.get_safe_log_message(), str(made.debug_info()), made.mask_url_for_logging()]
    for text in shown:
        assert "s3cret" not in text
        assert "db.example.com" in text


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40
)


@given(user=TEXT, password=TEXT, database=TEXT)
def test_any_text_in_the_credentials_survives_every_driver(
    user: str, password: str, database: str
) -> None:
    values = {**PARTS, "POSTGRES_USER": user, "POSTGRES_PASSWORD": password}
    made = DatabaseURLBuilder({**values, "POSTGRES_DB": database}, environment=Environment.TEST)
    wanted = {"user": user, "password": password, "dbname": database}

    libpq = psycopg.conninfo.conninfo_to_dict(made.build("libpq"))
    assert {key: libpq[key] for key in wanted} == wanted

    engine = create_engine(made.build("psycopg"))
    _, arguments = engine.dialect.create_connect_args(engine.url)
    assert {key: arguments[key] for key in wanted} == wanted

    _, arguments = create_async_engine(made.build("asyncpg")).dialect.create_connect_args(
        make_url(made.build("asyncpg"))
    )
    assert (arguments["user"], arguments["password"]) == (user, password)
    assert arguments["database"] == database
    again = DatabaseURLBuilder({"DATABASE_URL": made.build("asyncpg")}).parts()
    assert (again.user, again.password, again.database) == (user, password, database)


@given(password=TEXT)
def test_asyncpg_itself_reads_the_plain_form(password: str) -> None:
    values = {**PARTS, "POSTGRES_PASSWORD": password}
    url = DatabaseURLBuilder(values).build("libpq")
    names = _parse_connect_dsn_and_args.__code__.co_varnames[
        : _parse_connect_dsn_and_args.__code__.co_argcount
        + _parse_connect_dsn_and_args.__code__.co_kwonlyargcount
    ]
    arguments = {name: None for name in names} | {"dsn": url}
    _, parsed = _parse_connect_dsn_and_args(**arguments)
    assert parsed.password == password


@pytest.mark.parametrize("name", ["a b", "100%", "%41", "wie?so", "a#b", "ü😀", "a&b=c", "'q'"])
@pytest.mark.parametrize("driver", ["async", "sync"])
def test_any_file_name_reaches_sqlite(tmp_path: Path, name: str, driver: str) -> None:
    path = tmp_path / f"{name}.sqlite"
    made = DatabaseURLBuilder({}, sqlite_path=path).build(driver)
    again = DatabaseURLBuilder.format_for_driver(made, "pysqlite")
    engine = create_engine(again)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a)")
    engine.dispose()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("key", ["POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"])
@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_text_that_no_driver_can_carry_is_refused_without_being_shown(key: str, text: str) -> None:
    with pytest.raises(DatabaseUrlError, match=key) as caught:
        DatabaseURLBuilder({**PARTS, key: text}).build()
    assert text not in str(caught.value)


SECRET = "Hunter2"
HOSTS = ["h", "db.example.com", "127.0.0.1", "[::1]", "h:5432", "h1:1,h2:2"]


def urls_with_a_secret() -> list[str]:
    """Every form of URL, well-formed or not, with the secret in a place where one is kept."""
    passwords = [SECRET, f"{SECRET}@x", f"a/{SECRET}", f"a:{SECRET}", f"?{SECRET}", f"#{SECRET}"]
    passwords += [f"{SECRET}%", f"{SECRET} x", f"ü{SECRET}", f"[{SECRET}]", f"@{SECRET}@"]
    passwords += [f"&{SECRET}=", f"{SECRET}//", f"\\{SECRET}"]
    schemes = ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg", "POSTGRESQL"]
    made = [
        f"{scheme}://user:{password}@{host}/db"
        for scheme in schemes
        for password in passwords
        for host in (HOSTS[0], HOSTS[4])
    ]
    made += [f"postgresql+psycopg2://user:{SECRET}@{host}/db" for host in HOSTS]
    made += [f"postgresql://user:{quote(SECRET + '@/:', safe='')}@{host}/db" for host in HOSTS]
    made += [
        f"postgresql://h/db?{name}={SECRET}"
        for name in (
            "password", "PASSWORD", "pass", "passwd", "pwd", "sslpassword", "token", "access_token",
            "secret", "api_key", "apikey", "auth", "credential", "credentials", "%70assword",
            "user", "sslkey", "Passphrase",
        )
    ]  # fmt: skip
    made += [
        f"postgresql://h/db?host=h2&password={SECRET}&port=1",
        f"postgresql://h/db?application_name=x;password={SECRET}",
        f"postgresql://h/db?options=-c%20password={SECRET}",
        f"postgresql://h/db?next=postgresql://u:{SECRET}@x/y",
        f"postgresql://u:{SECRET}@/db?host=/cloudsql/p:r:i",
        f"postgresql://:{SECRET}@h/db",
        f"postgresql://{SECRET}@h/db",
        f"postgresql://u:{SECRET}",
        f"postgresql://u:{SECRET}/db",
        f"postgresql:u:{SECRET}@h/db",
        f"postgresql:/u:{SECRET}@h/db",
        f"postgresql:///db?user=u&password={SECRET}",
        f"//u:{SECRET}@h/db",
        f"u:{SECRET}@h/db",
        f"  postgresql://u:{SECRET}@h/db  ",
        f"redis://:{SECRET}@h:6379/0",
        f"rediss://default:{SECRET}@h/0",
        f"mysql://u:{SECRET}@h/db",
        f"clickhouse://default:{SECRET}@h:8443/db",
        f"https://u:{SECRET}@h/db?x=1",
        f"https://h/db?api_key={SECRET}#frag",
        f"postgresql://h/db#{SECRET}",
        f"postgresql://h/db?x=1#password={SECRET}",
        f"sqlite:///file.db?key={SECRET}",
        f"sqlite+pysqlcipher://:{SECRET}@/file.db",
        f"host=h dbname=d user=u password={SECRET}",
        f"host=h password='{SECRET}'",
        f"host = h password = {SECRET}",
        f"password={SECRET}",
        f"HOST=h;PWD={SECRET}",
        f"jdbc:postgresql://h/db?user=u&password={SECRET}",
        f"DATABASE_URL=postgresql://u:{SECRET}@h/db",
        f"'postgresql://u:{SECRET}@h/db'",
        SECRET,
    ]  # fmt: skip
    return made


def test_there_are_at_least_two_hundred_forms() -> None:
    assert len(set(urls_with_a_secret())) >= 200


@pytest.mark.parametrize("url", urls_with_a_secret())
def test_no_secret_survives_the_mask(url: str) -> None:
    assert "hunter2" not in mask_url(url).lower()


def test_no_secret_of_a_parsed_url_survives_the_mask() -> None:
    for url in (
        f"postgresql+asyncpg://u:{SECRET}@h:1/db",
        f"postgresql://h/db?password={SECRET}&sslmode=require",
        f"postgresql://u:{SECRET}@/db?host=/cloudsql/p:r:i&token={SECRET}",
    ):
        shown = mask_url(make_url(url))
        assert SECRET not in shown
        assert "/db" in shown


@given(user=TEXT, password=st.text(st.sampled_from("ab@:/?#[]% &=\\+'\""), min_size=3))
def test_no_part_of_a_raw_or_encoded_password_survives_the_mask(user: str, password: str) -> None:
    secret = f"zq{password}zq"
    for form in (secret, quote(secret, safe="")):
        shown = mask_url(f"postgresql://{quote(user, safe='')}:{form}@host/db")
        assert "zq" not in shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:5432/db?sslmode=require", "postgresql://***:***@h:5432/db?sslmode=require"),
        ("sqlite+aiosqlite:////data/a.sqlite", "sqlite+aiosqlite:////data/a.sqlite"),
        ("postgresql://h:5432/db", "postgresql://h:5432/db"),
        ("host=h port=5432 dbname=d", "dbname=d host=h port=5432 ***"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_no_secret_is_shown(url: str, shown: str) -> None:
    assert mask_url(url) == shown
