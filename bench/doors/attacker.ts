import { ATTACKS } from './attacks.ts';

/** Attacks a door from a process of its own: `attacker.ts PORT DOOR WHAT COUNT`. Prints how many requests it made. */

const [port, door, what, count] = process.argv.slice(2);
const attack = ATTACKS.find((each) => each.door === door && each.what === what);
if (!attack) throw new Error(`no attack ${door}, ${what}`);
const place = { port: Number(port), isSecure: door !== 'extender' };
process.stdout.write('started\n');
let made = 0;
const stranger = async (): Promise<void> => {
  while (made < Number(count)) made += await attack.go(place).catch(() => 1);
};
await Promise.all(Array.from({ length: Math.min(attack.strangers, Number(count)) }, stranger));
process.stdout.write(`made ${made}\n`);
process.exit(0);
