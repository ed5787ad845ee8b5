CREATE TABLE patient (
  PatNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, LName varchar(100) DEFAULT '', FName varchar(100) DEFAULT '',
  MiddleI varchar(100) DEFAULT '', Preferred varchar(100) DEFAULT '', PatStatus tinyint unsigned NOT NULL DEFAULT 0,
  Gender tinyint unsigned NOT NULL DEFAULT 2, Position tinyint unsigned NOT NULL DEFAULT 0,
  Birthdate date NOT NULL DEFAULT '0001-01-01', SSN varchar(100) DEFAULT '', Address varchar(100) DEFAULT '',
  City varchar(100) DEFAULT '', HmPhone varchar(30) DEFAULT '', WkPhone varchar(30) DEFAULT '',
  WirelessPhone varchar(30) DEFAULT '', Guarantor bigint NOT NULL DEFAULT 0, Email varchar(100) DEFAULT '',
  EstBalance double NOT NULL DEFAULT 0, PriProv bigint NOT NULL DEFAULT 0, BillingType bigint NOT NULL DEFAULT 0,
  FamFinUrgNote text, DateFirstVisit date NOT NULL DEFAULT '0001-01-01', ClinicNum bigint NOT NULL DEFAULT 0,
  PreferConfirmMethod tinyint unsigned NOT NULL DEFAULT 0, PreferContactMethod tinyint unsigned NOT NULL DEFAULT 0,
  PreferRecallMethod tinyint unsigned NOT NULL DEFAULT 0, Language varchar(100) DEFAULT '',
  DateTStamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  TxtMsgOk tinyint unsigned NOT NULL DEFAULT 0, ShortCodeOptIn tinyint NOT NULL DEFAULT 0,
  KEY LName (LName), KEY PatStatus (PatStatus), KEY Guarantor (Guarantor), KEY BillingType (BillingType),
  KEY ClinicStatus (ClinicNum, PatStatus), KEY Birthdate (Birthdate, PatStatus));
CREATE TABLE recall (
  RecallNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, PatNum bigint NOT NULL,
  DateDueCalc date NOT NULL DEFAULT '0001-01-01', DateDue date NOT NULL DEFAULT '0001-01-01',
  DatePrevious date NOT NULL DEFAULT '0001-01-01', RecallInterval int NOT NULL DEFAULT 0,
  RecallStatus bigint NOT NULL DEFAULT 0, Note text, IsDisabled tinyint unsigned NOT NULL DEFAULT 0,
  DateTStamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  RecallTypeNum bigint NOT NULL DEFAULT 0, DisableUntilBalance double NOT NULL DEFAULT 0,
  DisableUntilDate date NOT NULL DEFAULT '0001-01-01', DateScheduled date NOT NULL DEFAULT '0001-01-01',
  Priority tinyint NOT NULL DEFAULT 0, TimePatternOverride varchar(255) NOT NULL DEFAULT '',
  KEY PatNum (PatNum), KEY DateDue (DateDue), KEY RecallTypeNum (RecallTypeNum));
CREATE TABLE appointment (
  AptNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, PatNum bigint NOT NULL, AptStatus tinyint unsigned NOT NULL,
  Pattern varchar(255) DEFAULT '', Confirmed bigint NOT NULL DEFAULT 0, Op bigint NOT NULL DEFAULT 0, Note text,
  ProvNum bigint NOT NULL DEFAULT 0, ProvHyg bigint NOT NULL DEFAULT 0,
  AptDateTime datetime NOT NULL DEFAULT '0001-01-01 00:00:00', UnschedStatus bigint NOT NULL DEFAULT 0,
  ProcDescript text, ClinicNum bigint NOT NULL DEFAULT 0, IsHygiene tinyint unsigned NOT NULL DEFAULT 0,
  DateTStamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  KEY PatNum (PatNum), KEY AptDateTime (AptDateTime), KEY StatusDate (AptStatus, AptDateTime, ClinicNum));
CREATE TABLE deletedobject (
  DeletedObjectNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, ObjectNum bigint NOT NULL, ObjectType int NOT NULL,
  DateTStamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp());
CREATE TABLE patientlink (
  PatientLinkNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, PatNumFrom bigint NOT NULL, PatNumTo bigint NOT NULL,
  LinkType tinyint NOT NULL, DateTimeLink datetime NOT NULL DEFAULT '0001-01-01 00:00:00',
  KEY PatNumFrom (PatNumFrom), KEY PatNumTo (PatNumTo));
CREATE TABLE commoptout (
  CommOptOutNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, PatNum bigint NOT NULL, OptOutSms int NOT NULL DEFAULT 0,
  OptOutEmail int NOT NULL DEFAULT 0, KEY PatNum (PatNum));
CREATE TABLE reactivation (
  ReactivationNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, PatNum bigint NOT NULL,
  ReactivationStatus bigint NOT NULL DEFAULT 0, ReactivationNote text, DoNotContact tinyint NOT NULL DEFAULT 0,
  KEY PatNum (PatNum));
CREATE TABLE definition (
  DefNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, Category tinyint unsigned NOT NULL,
  ItemOrder smallint unsigned NOT NULL DEFAULT 0, ItemName varchar(255) DEFAULT '', ItemValue varchar(255) DEFAULT '',
  IsHidden tinyint unsigned NOT NULL DEFAULT 0);
CREATE TABLE procedurecode (
  CodeNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, ProcCode varchar(15) CHARACTER SET utf8 COLLATE utf8_bin NOT NULL,
  Descript varchar(255) DEFAULT '', AbbrDesc varchar(50) DEFAULT '', KEY ProcCode (ProcCode));
INSERT INTO procedurecode (ProcCode, AbbrDesc) VALUES ('D0120','PerEx'),('D0140','LimEx'),('D9986','Missed'),
  ('D9987','Canc'),('D1110','');
CREATE TABLE clinic (
  ClinicNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, Description varchar(255) NOT NULL DEFAULT '',
  TimeZone varchar(75) NOT NULL DEFAULT '')
