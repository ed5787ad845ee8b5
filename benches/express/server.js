// What an integrator would write in an hour: takes an event, stores its raw body, answers. As durable as odx: WAL with
// synchronous=FULL, stored before the answer. Express refuses bodies above 100 kB unless told otherwise.
'use strict';

const { timingSafeEqual } = require('node:crypto');
const Database = require('better-sqlite3');
const express = require('express');

const [file, path, key] = process.argv.slice(2);
const db = new Database(file);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec('CREATE TABLE event (id INTEGER PRIMARY KEY, kind TEXT, body BLOB NOT NULL, received_at INTEGER NOT NULL)');
const insert = db.prepare('INSERT INTO event (kind, body, received_at) VALUES (?, ?, ?)');
const expected = Buffer.from(key);

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.post(
  `/${path}`,
  (request, response, next) => {
    const given = Buffer.from(request.get('authorization') ?? '');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      return response.status(401).end();
    }
    next();
  },
  express.raw({ type: () => true, limit: '8mb' }),
  (request, response) => {
    insert.run(request.get('event-type') ?? null, request.body, Date.now());
    response.status(200).end();
  },
);
app.listen(0, '127.0.0.1', function () {
  console.log(`127.0.0.1:${this.address().port}`);
});
