"""The scanner's groups of verbs."""

from farmhand.command import plain_group

main = plain_group("scanner", help="Give builds to build daemons, and collect what they make.")
daemon = plain_group("daemon", help="Build daemons.", parent=main)
processor = plain_group("processor", help="Families of machines.", parent=main)
chroot = plain_group("chroot", help="What builds are built in.", parent=main)
build = plain_group("build", help="Builds.", parent=main)
queue = plain_group("queue", help="Builds that wait or run.", parent=main)
