import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import t from 'tap';
import { Callers, type Connection, type Refusal } from './callers.ts';

/** A socket that notes how it ended. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  readonly remotePort: number;
  isCut = false;

  constructor(remoteAddress: string, remotePort: number) {
    super();
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  destroy(): this {
    this.isCut = true;
    this.emit('close');
    return this;
  }

  resetAndDestroy(): this {
    return this.destroy();
  }
}

const open = (limits: { connections?: number; heldBytes?: number } = {}) => {
  const clock = { now: 0 };
  const refusals: Refusal[] = [];
  let ports = 0;
  const callers = new Callers({
    limits: { connections: 4, heldBytes: 100, offences: 3, offencesPerSecond: 1, ...limits },
    onRefusal: (refusal) => refusals.push(refusal),
    now: () => clock.now,
  });
  const connect = (address: string) => {
    const socket = new FakeSocket(address, ++ports);
    const isAdmitted = callers.admit(socket as unknown as Socket);
    return { socket, isAdmitted, connection: callers.of(socket as unknown as Socket) as Connection };
  };
  return { callers, connect, refusals, clock };
};

t.test('attack: one address that takes all connections gives one up for another address', async (t) => {
  const { connect, callers } = open();
  const strangers = Array.from({ length: 4 }, () => connect('stranger'));
  const [first, second] = strangers;
  if (first) first.connection.isBusy = true;
  t.notOk(connect('stranger').isAdmitted, 'it gets no fifth one');
  t.ok(connect('honest').isAdmitted);
  t.ok(second?.socket.isCut, 'the oldest one without a request is given up');
  t.notOk(first?.socket.isCut);
  t.equal(callers.connections, 4);
});

t.test('attack: an address that offends is let in again as its credit comes back', async (t) => {
  const { connect, callers, clock } = open();
  const standing = connect('stranger');
  callers.serve(standing.connection);
  for (let i = 0; i < 3; i++) callers.offend(connect('stranger').connection);
  t.notOk(connect('stranger').isAdmitted);
  t.notOk(standing.socket.isCut, 'a connection that was served well stays');
  t.ok(connect('honest').isAdmitted);
  clock.now = 60_000;
  t.ok(connect('stranger').isAdmitted);
});

t.test('fault: connections that a served caller does not use are no offences', async (t) => {
  const { connect, callers, refusals } = open({ connections: 100 });
  callers.serve(connect('api-server').connection);
  for (let i = 0; i < 20; i++) {
    const { socket, connection } = connect('api-server');
    callers.excuse(connection);
    socket.destroy();
  }
  t.ok(connect('api-server').isAdmitted);
  for (let i = 0; i < 3; i++) {
    const { socket, connection } = connect('stranger');
    callers.excuse(connection);
    socket.destroy();
  }
  t.notOk(connect('stranger').isAdmitted, 'one who was never served pays for each');
  t.strictSame(refusals, ['offences']);
});

t.test('attack: connections that come and go without a request use up credit', async (t) => {
  const { connect } = open();
  for (let i = 0; i < 3; i++) connect('stranger').socket.destroy();
  t.notOk(connect('stranger').isAdmitted);
});

t.test('attack: many connections at once do not get in together after an offence', async (t) => {
  const { connect, callers, clock } = open({ connections: 1_000 });
  for (let i = 0; i < 6; i++) {
    const { isAdmitted, connection } = connect('stranger');
    if (isAdmitted) callers.offend(connection);
  }
  clock.now = 2_000;
  const admitted = Array.from({ length: 50 }, () => connect('stranger')).filter((each) => each.isAdmitted);
  t.ok(admitted.length <= 2, `${admitted.length} at once, for two seconds`);
  const clean = Array.from({ length: 50 }, () => connect('honest')).filter((each) => each.isAdmitted);
  t.equal(clean.length, 50, 'who has not offended gets in at once');
});

t.test('a caller that is served well earns what it may lose', async (t) => {
  const { connect, callers } = open();
  const { connection } = connect('honest');
  for (let i = 0; i < 20; i++) {
    callers.serve(connection);
    callers.offend(connection);
  }
  t.ok(connect('honest').isAdmitted);
});

t.test('attack: the largest of the bodies of the caller who holds the most makes room', async (t) => {
  const { connect, callers } = open();
  const [one, two] = [connect('stranger'), connect('stranger')];
  t.ok(callers.hold(one.connection, 30));
  t.ok(callers.hold(two.connection, 60));
  t.notOk(callers.hold(connect('stranger').connection, 20), 'not for itself');
  const honest = connect('honest');
  t.ok(callers.hold(honest.connection, 40));
  t.ok(two.socket.isCut);
  t.equal(callers.bytes, 70);
  callers.release(one.connection);
  honest.socket.destroy();
  t.equal(callers.bytes, 0);
});

t.test('attack: more addresses than are remembered use no more memory', async (t) => {
  const { connect, callers } = open();
  for (let i = 0; i < 20_000; i++) connect(`address-${i}`).socket.destroy();
  t.equal(callers.connections, 0);
  t.ok(callers.remembered <= 5_000, `${callers.remembered} addresses`);
});

t.test('attack: as many addresses as connections that all wait do not keep the kubelet out', async (t) => {
  const { connect, clock } = open();
  const strangers = ['a', 'b', 'c'].map(connect);
  for (const { connection } of strangers) connection.isBusy = true;
  const standing = connect('api server');
  standing.connection.isBusy = true;
  standing.connection.hasServed = true;
  t.notOk(connect('kubelet').isAdmitted, 'work under way is not cut');
  for (const { connection } of strangers) connection.isWaiting = true;
  const kubelet = connect('kubelet');
  t.ok(kubelet.isAdmitted);
  t.ok(strangers[0]?.socket.isCut, 'the one that waits longest makes room');
  t.ok(connect('d').isAdmitted);
  t.notOk(kubelet.socket.isCut, 'a connection has time for its first request');
  t.ok(strangers[1]?.socket.isCut);
  clock.now += 2_000;
  t.ok(connect('e').isAdmitted);
  t.ok(kubelet.socket.isCut, 'but not for ever');
  t.notOk(standing.socket.isCut);
});

t.test('attack: as many addresses as connections do not keep the kubelet out', async (t) => {
  const { connect, callers } = open();
  const strangers = ['a', 'b', 'c', 'd'].map(connect);
  for (const { connection } of strangers.slice(0, 3)) connection.isBusy = true;
  t.ok(connect('kubelet').isAdmitted);
  t.ok(strangers[3]?.socket.isCut, 'one at rest makes room');
  t.notOk(strangers[0]?.socket.isCut);
  t.equal(callers.connections, 4);
});
