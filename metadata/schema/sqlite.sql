-- The same tables as schema/mysql.sql. %[1]s is the cache table. Index names
-- are unique in a SQLite database, so those of the cache table begin with its
-- name.
CREATE TABLE IF NOT EXISTS `ezdfsfile` (
  `name` TEXT NOT NULL,
  `name_trunk` TEXT NOT NULL,
  `name_hash` VARCHAR(34) NOT NULL PRIMARY KEY,
  `datatype` VARCHAR(255) NOT NULL DEFAULT 'application/octet-stream',
  `scope` VARCHAR(25) NOT NULL DEFAULT '',
  `size` BIGINT NOT NULL DEFAULT 0,
  `mtime` INT NOT NULL DEFAULT 0,
  `expired` TINYINT(1) NOT NULL DEFAULT 0,
  `status` TINYINT(1) NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS `ezdfsfile_name` ON `ezdfsfile` (`name`);
CREATE INDEX IF NOT EXISTS `ezdfsfile_name_trunk` ON `ezdfsfile` (`name_trunk`);
CREATE INDEX IF NOT EXISTS `ezdfsfile_mtime` ON `ezdfsfile` (`mtime`);
CREATE INDEX IF NOT EXISTS `ezdfsfile_expired_name` ON `ezdfsfile` (`expired`, `name`);

CREATE TABLE IF NOT EXISTS `%[1]s` (
  `name` TEXT NOT NULL,
  `name_trunk` TEXT NOT NULL,
  `name_hash` VARCHAR(34) NOT NULL PRIMARY KEY,
  `datatype` VARCHAR(255) NOT NULL DEFAULT 'application/octet-stream',
  `scope` VARCHAR(25) NOT NULL DEFAULT '',
  `size` BIGINT NOT NULL DEFAULT 0,
  `mtime` INT NOT NULL DEFAULT 0,
  `expired` TINYINT(1) NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS `%[1]s_name` ON `%[1]s` (`name`);
CREATE INDEX IF NOT EXISTS `%[1]s_name_trunk` ON `%[1]s` (`name_trunk`);
CREATE INDEX IF NOT EXISTS `%[1]s_mtime` ON `%[1]s` (`mtime`);
CREATE INDEX IF NOT EXISTS `%[1]s_expired_name` ON `%[1]s` (`expired`, `name`);

CREATE TABLE IF NOT EXISTS `ezdfs_journal` (
  `id` INTEGER PRIMARY KEY AUTOINCREMENT,
  `kind` VARCHAR(32) NOT NULL,
  `subject` TEXT NOT NULL,
  `scope` VARCHAR(255) NOT NULL DEFAULT '',
  `time` BIGINT NOT NULL,
  `host` VARCHAR(255) NOT NULL DEFAULT ''
);

CREATE TABLE IF NOT EXISTS `ezdfs_state` (
  `name` VARCHAR(64) NOT NULL PRIMARY KEY,
  `value` TEXT NOT NULL
) WITHOUT ROWID;

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
  PRIMARY KEY (`target`, `hash`)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS `ezdfs_cdn_delivery_due` ON `ezdfs_cdn_delivery` (`target`, `due`);
CREATE INDEX IF NOT EXISTS `ezdfs_cdn_delivery_state` ON `ezdfs_cdn_delivery` (`target`, `state`, `since`);

CREATE TABLE IF NOT EXISTS `ezdfs_migration` (
  `id` VARCHAR(32) NOT NULL PRIMARY KEY,
  `kind` VARCHAR(16) NOT NULL,
  `prefix` TEXT NOT NULL,
  `source` VARCHAR(255) NOT NULL,
  `target` VARCHAR(255) NOT NULL,
  `pass` INT NOT NULL DEFAULT 0,
  `state` VARCHAR(16) NOT NULL DEFAULT 'running',
  `since` BIGINT NOT NULL
) WITHOUT ROWID;

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
) WITHOUT ROWID;

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
  PRIMARY KEY (`name_hash`, `stamp`)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS `ezdfs_trash_name` ON `ezdfs_trash` (`name`);
