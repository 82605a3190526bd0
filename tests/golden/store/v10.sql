-- SPDX-License-Identifier: GPL-3.0-or-later
-- A store file of schema version 10 with rows in every table, as text.
-- Never changed: it is what an installed anycastd of that version has left.
PRAGMA page_size = 8192;
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE campaign( id INTEGER PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL, depth INTEGER NOT NULL, seed INTEGER NOT NULL, created_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, list INTEGER NOT NULL, sites TEXT NOT NULL) STRICT;
INSERT INTO "campaign" VALUES(1,'done','',2,77,1772350000000,1772390000000,3,'akl chc');
CREATE TABLE client(
 list INTEGER NOT NULL,
 idx INTEGER NOT NULL,
 addr BLOB NOT NULL CHECK(length(addr) = 16),
 weight REAL NOT NULL,
 last_seen INTEGER NOT NULL,
 PRIMARY KEY(list, idx)
) STRICT, WITHOUT ROWID;
INSERT INTO "client" VALUES(2,0,X'00000000000000000000FFFFC6336401',1.0,0);
INSERT INTO "client" VALUES(3,0,X'00000000000000000000FFFFC6336401',1.0,1772350000);
INSERT INTO "client" VALUES(3,1,X'00000000000000000000FFFFCB007107',2.5,0);
INSERT INTO "client" VALUES(3,2,X'20010DB8000000000000000000000001',100.0,1772350001);
CREATE TABLE client_list(
 id INTEGER PRIMARY KEY,
 created_ms INTEGER NOT NULL,
 n INTEGER NOT NULL,
 current INTEGER NOT NULL CHECK(current IN (0, 1))
) STRICT;
INSERT INTO "client_list" VALUES(2,1772350000000,1,0);
INSERT INTO "client_list" VALUES(3,1772355000000,3,1);
CREATE TABLE event(
 id INTEGER PRIMARY KEY AUTOINCREMENT,
 uid TEXT NOT NULL UNIQUE,
 at_ms INTEGER NOT NULL,
 kind TEXT NOT NULL,
 subject TEXT NOT NULL,
 what TEXT NOT NULL,
 reason TEXT NOT NULL,
 actor TEXT NOT NULL
) STRICT;
INSERT INTO "event" VALUES(1,'00000000deadbeef-1',1772366400000,'route','prefix/192.0.2.0/24','withdrawn -> announced','service web is healthy','anycastd');
INSERT INTO "event" VALUES(2,'00000000deadbeef-2',1772366401000,'intent','site/chc','drain','new line card','uid 1000 (jo)');
INSERT INTO "event" VALUES(3,'00000000deadbeef-3',1772366402000,'route','prefix/192.0.2.0/24','announced -> withdrawn','site chc is drained','anycastd');
CREATE TABLE experiment(
 id INTEGER PRIMARY KEY,
 site TEXT NOT NULL,
 state TEXT NOT NULL,
 reason TEXT NOT NULL,
 created_ms INTEGER NOT NULL,
 ended_ms INTEGER NOT NULL,
 clients INTEGER NOT NULL,
 list INTEGER NOT NULL,
 answered INTEGER NOT NULL,
 bystanders INTEGER NOT NULL,
 sites TEXT NOT NULL
, asked INTEGER NOT NULL DEFAULT 0, others INTEGER NOT NULL DEFAULT 0, null_both INTEGER NOT NULL DEFAULT 0, null_moved INTEGER NOT NULL DEFAULT 0, null_tv REAL NOT NULL DEFAULT 0, campaign INTEGER NOT NULL DEFAULT 0, purpose TEXT NOT NULL DEFAULT '', changed_ms INTEGER NOT NULL DEFAULT 0, test TEXT NOT NULL DEFAULT '', set_aside INTEGER NOT NULL DEFAULT 0 CHECK(set_aside IN (0, 1))) STRICT;
INSERT INTO "experiment" VALUES(6,'chc','done','',1772360000000,1772360900000,3,2,3,0,'akl chc',3,1,3,1,0.25,1,'single',1772360500000,'',1);
INSERT INTO "experiment" VALUES(7,'chc','failed','aborted',1772361000000,1772361100000,3,3,0,0,'akl chc',3,0,0,0,0.0,0,'',0,'',0);
INSERT INTO "experiment" VALUES(8,'akl','sweep','',1772366000000,0,3,3,0,0,'akl chc',3,0,0,0,0.0,0,'',0,'198.51.100.0/24,2001:db8:7e57::/48',0);
CREATE TABLE guard_state( name TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, json TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "guard_state" VALUES('budget',3,'{"members":[]}');
CREATE TABLE heir(
 experiment INTEGER NOT NULL,
 site TEXT NOT NULL,
 family INTEGER NOT NULL CHECK(family IN (4, 6)),
 heir TEXT NOT NULL,
 clients INTEGER NOT NULL,
 weight REAL NOT NULL, unstable INTEGER NOT NULL DEFAULT 0, square REAL NOT NULL DEFAULT 0,
 PRIMARY KEY(experiment, site, family, heir)
) STRICT, WITHOUT ROWID;
INSERT INTO "heir" VALUES(6,'chc',4,'',1,2.5,0,0.0);
INSERT INTO "heir" VALUES(6,'chc',4,'akl',1,1.0,0,0.0);
INSERT INTO "heir" VALUES(6,'chc',6,'syd',1,100.0,0,0.0);
CREATE TABLE intent(
 id TEXT NOT NULL PRIMARY KEY,
 kind TEXT NOT NULL,
 site TEXT NOT NULL,
 reason TEXT NOT NULL,
 actor TEXT NOT NULL,
 created_ms INTEGER NOT NULL,
 until_ms INTEGER NOT NULL,
 ended_ms INTEGER NOT NULL,
 ended_by TEXT, scope TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL DEFAULT '', at_once INTEGER NOT NULL DEFAULT 0 CHECK(at_once IN (0, 1))) STRICT, WITHOUT ROWID;
INSERT INTO "intent" VALUES('i-1','drain','akl','fibre cut','uid 1000 (jo)',1772280000000,0,1772283600000,'uid 1001 (kim)','','',0);
INSERT INTO "intent" VALUES('i-2','drain','chc','new line card','uid 1000 (jo)',1772366401000,1772370001000,0,NULL,'service/web','kim',1);
CREATE TABLE landing( id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL, down TEXT NOT NULL, label TEXT NOT NULL, experiment INTEGER NOT NULL, campaign INTEGER NOT NULL, displaced INTEGER NOT NULL, seen INTEGER NOT NULL, agreed INTEGER NOT NULL, remained INTEGER NOT NULL, several INTEGER NOT NULL, weight_seen REAL NOT NULL, weight_agreed REAL NOT NULL, distance REAL NOT NULL, heirs TEXT NOT NULL, short INTEGER NOT NULL DEFAULT 0 CHECK(short IN (0, 1))) STRICT;
INSERT INTO "landing" VALUES(1,1772391000000,1772390400000,'chc','measured',6,1,3,2,1,0,0,3.5,1.0,0.25,'[{"heir":"akl","predicted":1.0,"seen":0.75}]',1);
CREATE TABLE null_run( test TEXT NOT NULL, first_experiment INTEGER NOT NULL, experiment INTEGER NOT NULL, first TEXT NOT NULL, at_ms INTEGER NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL, compared INTEGER NOT NULL, distance REAL NOT NULL, noise REAL NOT NULL, beyond REAL NOT NULL, max_beyond REAL NOT NULL, shares TEXT NOT NULL, PRIMARY KEY(test, first_experiment)) STRICT, WITHOUT ROWID;
INSERT INTO "null_run" VALUES('198.18.0.0/24',7,8,'198.51.100.0/24,2001:db8:7e57::/48',1772391000000,'alike','0.00 % of the number of 3 IPv4 clients reach another site than by the first',3,0.0,0.0,0.0,0.01,'[{"family":4,"way":"moved","compared":3,"distance":0.0,"noise":0.0,"weight_distance":0.0,"weight_noise":0.0,"beyond":0.0}]');
INSERT INTO "null_run" VALUES('198.18.0.0/24',9,0,'198.51.100.0/24,2001:db8:7e57::/48',1772392000000,'unknown','3 null runs in a row failed, the last one: site chc: its agent is silent',0,0.0,0.0,0.0,0.01,'[]');
CREATE TABLE optout(
 prefix TEXT NOT NULL PRIMARY KEY,
 reason TEXT NOT NULL,
 actor TEXT NOT NULL,
 created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "optout" VALUES('192.0.2.0/24','mail of noc@example.net','uid 1000 (jo)',1772366400000);
CREATE TABLE outcome_chunk(
 experiment INTEGER NOT NULL,
 phase INTEGER NOT NULL,
 first INTEGER NOT NULL,
 n INTEGER NOT NULL,
 data BLOB NOT NULL,
 PRIMARY KEY(experiment, phase, first)
) STRICT, WITHOUT ROWID;
INSERT INTO "outcome_chunk" VALUES(6,0,0,3,X'0101000003E800FFFFFFFF020000EA60');
INSERT INTO "outcome_chunk" VALUES(6,7,0,3,X'0201050100');
CREATE TABLE recent_client(
 site TEXT NOT NULL,
 part INTEGER NOT NULL,
 saved_ms INTEGER NOT NULL,
 data BLOB NOT NULL,
 PRIMARY KEY(site, part)
) STRICT;
INSERT INTO "recent_client" VALUES('akl',0,1772280000000,X'0000000700000001000000000000000000000000000003E80000000005265C0000000000000000000000FFFF080808084004000000000000699D3C00');
INSERT INTO "recent_client" VALUES('chc',0,1772280000000,X'00000001000000000000000000000000000000000000000000000000000003E8');
CREATE TABLE reply_class(
 experiment INTEGER NOT NULL,
 site TEXT NOT NULL,
 class TEXT NOT NULL,
 n INTEGER NOT NULL,
 samples TEXT NOT NULL,
 PRIMARY KEY(experiment, site, class)
) STRICT, WITHOUT ROWID;
INSERT INTO "reply_class" VALUES(6,'akl','accepted',2,'[]');
INSERT INTO "reply_class" VALUES(6,'akl','forged',1,'[{"client":1,"source":"203.0.113.9","phase":1,"round":1,"sent_us":1,"received_us":2}]');
CREATE TABLE site_order(
 site TEXT NOT NULL PRIMARY KEY,
 revision INTEGER NOT NULL,
 json TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "site_order" VALUES('akl',11,'{"revision": 11}');
INSERT INTO "site_order" VALUES('chc',12,'{"revision": 12}');
CREATE INDEX event_subject ON event(subject);
CREATE INDEX intent_ended ON intent(ended_ms);
CREATE INDEX experiment_site ON experiment(site, state);
CREATE UNIQUE INDEX client_list_current ON client_list(current)
 WHERE current = 1;
CREATE INDEX experiment_campaign ON experiment(campaign);
PRAGMA application_id = 0x616e7963;
PRAGMA user_version = 10;
COMMIT;
