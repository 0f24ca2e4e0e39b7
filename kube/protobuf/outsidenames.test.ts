import t from 'tap';
import { message, Reader } from './message.ts';

/** A field of bytes: its tag, its length, its content. */
const bytesField = (number: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, content.length]), content]);

const entry = (key: string, value: string): Buffer =>
  bytesField(1, Buffer.concat([bytesField(1, Buffer.from(key)), bytesField(2, Buffer.from(value))]));

t.test('a map in protobuf has the entries that JSON gives, whatever their names', async (t) => {
  const schema = message({ 1: { name: 'labels', kind: 'textMap', keepsZero: true } });
  const names = ['plain', ...Object.getOwnPropertyNames(Object.prototype)];
  const { labels } = new Reader().read(schema, Buffer.concat(names.map((name) => entry(name, 'x'))));
  const json: unknown = JSON.parse(`{${names.map((name) => `"${name}":"x"`).join()}}`);
  t.same(Object.entries(labels as object), Object.entries(json as object));
});
