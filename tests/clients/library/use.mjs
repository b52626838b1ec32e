// The client as an ES module's; a file that is left to the collector throws (DEP0137).
import { setImmediate } from 'node:timers/promises';
const [client, spool, idle] = process.argv.slice(2);
const { enqueue, wait } = (await import(client)).default;
async function run() {
  const ticket = await enqueue(spool, 'library', { command: 'true' });
  try {
    return (await wait(ticket, 60_000)).state;
  } finally {
    await ticket.close();
  }
}
const refused = await enqueue(idle, 'taken', {}).catch((error) => error.code);
const state = await run();
for (let i = 0; i < 3; i++) {
  global.gc();
  await setImmediate();
}
process.exitCode = refused === 'EREFUSED' && state === 'done' ? 0 : 1;
