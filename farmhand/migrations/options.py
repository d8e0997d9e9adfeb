"""What every table is created with; the MetaData need not know, and loads no dialect for it."""

from typing import Any

# Names compare exactly, trailing blanks included; `nopad_bin` is MariaDB's word for it.
OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mariadb_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mariadb_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
    "mariadb_collate": "utf8mb4_nopad_bin",
}
# For ids that must never return, not even after their row was pruned.
KEPT_IDS: dict[str, Any] = {**OPTIONS, "sqlite_autoincrement": True}
