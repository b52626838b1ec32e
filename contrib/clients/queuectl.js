#!/usr/bin/env node
// queuectl.js: enqueue a job in a queuectl spool and wait for its end.  MIT; copy it.
//
// Needs Node 16 and the spool, not the program queuectl:
//  1. check the id; done/ID.json or dead/ID.json is there: in use
//  2. make tmp/UNIQUE with O_EXCL and mode 0640, write the document, fsync, close
//  3. link(2) it to pending/ID.json, which overwrites nothing; unlink tmp/UNIQUE
//  4. fsync pending/: now the job is acknowledged
//  5. watch done/ and dead/, look, wait, look: ID.json there, or dead/rejected-...
//
//   const { enqueue, wait } = require('./queuectl.js');
//   const ticket = await enqueue(spool, 'report-42', { command: 'make report' });
//   try {
//     const { state, document } = await wait(ticket, 60_000);  // 'done' or 'dead', a Buffer
//   } finally {
//     await ticket.close();  // when there will be no more waiting
//   }
// In a project with "type": "module" name it queuectl.cjs; there `import` takes it too.
// Errors have a code: 'EUSAGE', 'EREFUSED', 'ETIMEDOUT', or one of node:fs.
// A ticket keeps the file open, for reading: so its inode number, which names the
// report, is not used again, and its link count tells when the queue has taken it in.
// Numbers are doubles here: an integer above 2^53 loses digits; pass it as a string.
'use strict';
const { watch } = require('node:fs');
const fs = require('node:fs/promises');
const path = require('node:path');
const { randomBytes } = require('node:crypto');
const { performance } = require('node:perf_hooks');

const failure = (code, message) => Object.assign(new Error(message), { code });
const inUse = (id) => failure('EREFUSED', `id "${id}" is in use`);

// What `promise` gives, or undefined where there is no such file.
const ifThere = (promise) => promise.catch((error) => {
  if (error.code !== 'ENOENT') throw error;
});

async function withFile(file, use) {
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function enqueue(spool, id, members) {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id)) {
    throw failure('EUSAGE', `"${id}" is no id: 1 to 128 of A-Za-z0-9._-, a letter or digit first`);
  }
  for (const state of ['done', 'dead']) {
    if (await ifThere(fs.lstat(path.join(spool, state, `${id}.json`)))) throw inUse(id);
  }
  const tmp = path.join(spool, 'tmp', `js-${process.pid}-${randomBytes(8).toString('hex')}`);
  const out = await ifThere(fs.open(tmp, 'wx', 0o640));
  if (!out) throw failure('ENOENT', `no spool at ${spool}`);
  let file;
  try {
    await withFile(out, async () => {
      await out.chmod(0o640); // whatever the umask: the worker may be of our group
      await out.writeFile(JSON.stringify({ ...members, id }));
      await out.sync();
    });
    file = await fs.open(tmp, 'r');
    await fs.link(tmp, path.join(spool, 'pending', `${id}.json`));
    await fs.unlink(tmp);
    await withFile(await fs.open(path.join(spool, 'pending'), 'r'), (folder) => folder.sync());
    return { spool, id, file, close: () => file.close() };
  } catch (error) {
    if (file) await file.close();
    await ifThere(fs.unlink(tmp));
    throw error.code === 'EEXIST' ? inUse(id) : error;
  }
}

async function look({ spool, id, file }) {
  const own = await file.stat({ bigint: true });
  const read = async (name) => {
    const found = await ifThere(fs.open(path.join(spool, name), 'r'));
    return found && withFile(found, async () => ({
      document: await found.readFile(), ino: (await found.stat({ bigint: true })).ino,
    }));
  };
  const report = await read(`dead/rejected-${`${id}.json`.slice(0, 80)}-${own.ino.toString(16)}.json`);
  if (report) throw failure('EREFUSED', JSON.parse(report.document).last_error);
  for (const state of ['done', 'dead']) {
    const found = await read(`${state}/${id}.json`);
    // Not taken in yet: then what lies there is another's, or ours moved by hand.
    if (found && (own.nlink === 0n || own.ino === found.ino)) return { state, document: found.document };
  }
}

async function wait(ticket, timeoutMs = Infinity) {
  const deadline = performance.now() + timeoutMs;
  let wake = () => {};
  const watchers = [];
  try {
    for (const folder of ['done', 'dead']) {
      watchers.push(watch(path.join(ticket.spool, folder), () => wake()).on('error', () => {}));
    }
  } catch { /* no watch to be had: the looks remain */ }
  try {
    for (let nap = 10; ; nap = Math.min(2 * nap, watchers.length === 2 ? 2000 : 250)) {
      const woken = new Promise((resolve) => { wake = resolve; }); // before the look
      const ended = await look(ticket);
      if (ended) return ended;
      const left = deadline - performance.now();
      if (left <= 0) {
        throw failure('ETIMEDOUT', `job "${ticket.id}" has not ended after ${timeoutMs / 1000} s`);
      }
      const timer = setTimeout(wake, Math.min(left, nap)); // events are hints: look without one too
      await woken;
      clearTimeout(timer);
    }
  } finally {
    for (const watcher of watchers) watcher.close();
  }
}

async function main([spool, id, text, timeout = Infinity, ...more]) {
  const usage = (why) => failure('EUSAGE', why);
  if (text === undefined || more.length || !/^([0-9]{1,9}|Infinity)$/.test(timeout)) {
    throw usage('usage: queuectl.js SPOOL ID MEMBERS_JSON [TIMEOUT_SECONDS]');
  }
  let members;
  try { members = JSON.parse(text); } catch (error) { throw usage(error.message); }
  if (Object.prototype.toString.call(members) !== '[object Object]') throw usage('MEMBERS_JSON must be an object');
  const ticket = await enqueue(spool, id, members);
  const { state, document } = await withFile(ticket, () => wait(ticket, timeout * 1000));
  process.stdout.write(document);
  return state === 'done' ? 0 : 1;
}

module.exports = { enqueue, wait };
if (require.main === module) {
  main(process.argv.slice(2)).then((code) => { process.exitCode = code; }, (error) => {
    console.error(`queuectl.js: ${error.message}`);
    process.exitCode = { EUSAGE: 2, EREFUSED: 3, ETIMEDOUT: 124 }[error.code] ?? 1;
  });
}
