-- The tables of the legacy contract, section 1, and our own. %[1]s is the
-- cache table. The charset is utf8mb4, so that every name fits; the collation
-- is the one PHP has met everywhere. (Under utf8mb4_bin a LIKE that uses an index
-- misses names in which the pattern's "%%" begins with a 4-byte character.)
CREATE TABLE IF NOT EXISTS `ezdfsfile` (
  `name` TEXT NOT NULL,
  `name_trunk` TEXT NOT NULL,
  `name_hash` VARCHAR(34) NOT NULL DEFAULT '',
  `datatype` VARCHAR(255) NOT NULL DEFAULT 'application/octet-stream',
  `scope` VARCHAR(25) NOT NULL DEFAULT '',
  `size` BIGINT UNSIGNED NOT NULL DEFAULT 0,
  `mtime` INT NOT NULL DEFAULT 0,
  `expired` TINYINT(1) NOT NULL DEFAULT 0,
  `status` TINYINT(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`name_hash`),
  KEY `ezdfsfile_name` (`name`(250)),
  KEY `ezdfsfile_name_trunk` (`name_trunk`(250)),
  KEY `ezdfsfile_mtime` (`mtime`),
  KEY `ezdfsfile_expired_name` (`expired`, `name`(250))
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS `%[1]s` (
  `name` TEXT NOT NULL,
  `name_trunk` TEXT NOT NULL,
  `name_hash` VARCHAR(34) NOT NULL DEFAULT '',
  `datatype` VARCHAR(255) NOT NULL DEFAULT 'application/octet-stream',
  `scope` VARCHAR(25) NOT NULL DEFAULT '',
  `size` BIGINT UNSIGNED NOT NULL DEFAULT 0,
  `mtime` INT NOT NULL DEFAULT 0,
  `expired` TINYINT(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`name_hash`),
  KEY `ezdfsfile_name` (`name`(250)),
  KEY `ezdfsfile_name_trunk` (`name_trunk`(250)),
  KEY `ezdfsfile_mtime` (`mtime`),
  KEY `ezdfsfile_expired_name` (`expired`, `name`(250))
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

-- Every committed change of ours, written in the transaction that made it.
-- Identifiers are handed out before the commit: one may become visible after a
-- higher one, and a rollback leaves a gap. Changes of one path are in order,
-- because the path's row is locked while they are recorded. `time` is
-- microseconds since 1970 by the clock of `host`. (TiDB has to be told to hand
-- out identifiers in one order; others take that for a comment.)
CREATE TABLE IF NOT EXISTS `ezdfs_journal` (
  `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  `kind` VARCHAR(32) NOT NULL,
  `subject` TEXT NOT NULL,
  `scope` VARCHAR(255) NOT NULL DEFAULT '',
  `time` BIGINT NOT NULL,
  `host` VARCHAR(255) NOT NULL DEFAULT '',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin /*T![auto_id_cache] AUTO_ID_CACHE=1 */;

-- What the hosts tell each other: how far the journal was pruned, and up to
-- where no transaction that recorded something is open any more.
CREATE TABLE IF NOT EXISTS `ezdfs_state` (
  `name` VARCHAR(64) NOT NULL,
  `value` TEXT NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What the caches and CDNs are still to be told, and what they were told
-- lately: one row for each target and path, or family of paths, so that changes
-- of one path join while they wait and never overtake each other. Times are
-- microseconds since 1970 by this server's clock, `changed` and the `since` of
-- what is pending by that of the host that made the change. `due` is when a
-- pending row may be taken next, by whoever comes first if `owner` took it and
-- has not come back; `leased` is the `version` that it took.
CREATE TABLE IF NOT EXISTS `ezdfs_cdn_delivery` (
  `target` VARCHAR(128) NOT NULL,
  `hash` VARCHAR(32) NOT NULL,
  `extent` VARCHAR(16) NOT NULL,
  `subject` TEXT NOT NULL,
  `action` VARCHAR(16) NOT NULL,
  `scope` VARCHAR(255) NOT NULL DEFAULT '',
  `followers` TEXT NOT NULL,
  `state` VARCHAR(16) NOT NULL,
  `since` BIGINT NOT NULL,
  `due` BIGINT NULL,
  `version` BIGINT NOT NULL DEFAULT 1,
  `leased` BIGINT NOT NULL DEFAULT 0,
  `owner` VARCHAR(128) NOT NULL DEFAULT '',
  `attempts` INT NOT NULL DEFAULT 0,
  `changed` BIGINT NOT NULL,
  `enqueued` BIGINT NOT NULL,
  `progress` VARCHAR(64) NOT NULL DEFAULT '',
  `error` TEXT NOT NULL,
  PRIMARY KEY (`target`, `hash`),
  KEY `ezdfs_cdn_delivery_due` (`target`, `due`),
  KEY `ezdfs_cdn_delivery_state` (`target`, `state`, `since`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What moves from one store to another, and how far that is: one row for each
-- pass over the files of a prefix, and one for each range of name_hash, which
-- begins with `first` and is done to `position`, by whoever has leased it until
-- `due` (microseconds since 1970 by this server's clock).
CREATE TABLE IF NOT EXISTS `ezdfs_migration` (
  `id` VARCHAR(32) NOT NULL,
  `kind` VARCHAR(16) NOT NULL,
  `prefix` TEXT NOT NULL,
  `source` VARCHAR(255) NOT NULL,
  `target` VARCHAR(255) NOT NULL,
  `pass` INT NOT NULL DEFAULT 0,
  `state` VARCHAR(16) NOT NULL DEFAULT 'running',
  `since` BIGINT NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `ezdfs_migration_range` (
  `id` VARCHAR(32) NOT NULL,
  `first` VARCHAR(8) NOT NULL,
  `position` VARCHAR(34) NOT NULL DEFAULT '',
  `done` TINYINT NOT NULL DEFAULT 0,
  `owner` VARCHAR(128) NOT NULL DEFAULT '',
  `due` BIGINT NOT NULL DEFAULT 0,
  `changed` BIGINT NOT NULL DEFAULT 0,
  `copied` BIGINT NOT NULL DEFAULT 0,
  `present` BIGINT NOT NULL DEFAULT 0,
  `gone` BIGINT NOT NULL DEFAULT 0,
  `failed` BIGINT NOT NULL DEFAULT 0,
  `bytes` BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`, `first`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Purged files whose bodies are kept: what their rows said, and where in which
-- backend the bodies are. `stamp` is the day of the purge, made unique for the
-- name. An entry is written before its body moves and `pending` until the row
-- of the file is gone.
CREATE TABLE IF NOT EXISTS `ezdfs_trash` (
  `name_hash` VARCHAR(34) NOT NULL,
  `stamp` VARCHAR(32) NOT NULL,
  `name` TEXT NOT NULL,
  `datatype` VARCHAR(255) NOT NULL DEFAULT '',
  `scope` VARCHAR(255) NOT NULL DEFAULT '',
  `size` BIGINT NOT NULL DEFAULT 0,
  `mtime` BIGINT NOT NULL DEFAULT 0,
  `backend` VARCHAR(255) NOT NULL,
  `location` TEXT NOT NULL,
  `trashed` BIGINT NOT NULL,
  `pending` TINYINT NOT NULL DEFAULT 0,
  PRIMARY KEY (`name_hash`, `stamp`),
  KEY `ezdfs_trash_name` (`name`(250))
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
