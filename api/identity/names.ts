import { createHash } from 'node:crypto';

/** Names of objects that are derived from others: within their limit, valid, and still told apart when cut. */

/** Characters of an object's name: a DNS subdomain. */
export const MAX_OBJECT_NAME = 253;
export const MAX_LABEL_VALUE = 63;
/** Characters of a NodeClaim's name: some clouds name the Node after it, and its hostname label is a label value. */
export const MAX_NODE_CLAIM_NAME = 63;

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Whether an object can have this name: '..', for one, is another path. Source: IsDNS1123Subdomain of apimachinery. */
export const isObjectName = (name: string): boolean => name.length <= MAX_OBJECT_NAME && SUBDOMAIN.test(name);

const DIGEST_LENGTH = 10;

const digestOf = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, DIGEST_LENGTH);

/** The text where it fits, else its beginning and a digest of all of it. */
const shorten = (text: string, longest: number): string => {
  if (text.length <= longest) return text;
  const beginning = text.slice(0, longest - DIGEST_LENGTH - 1).replace(/[^A-Za-z0-9]+$/, '');
  return `${beginning}-${digestOf(text)}`;
};

/** A name of a base and an ending; only the base is ever cut. */
export const derivedName = (base: string, ending: string, longest = MAX_OBJECT_NAME): string =>
  `${shorten(base, longest - ending.length)}${ending}`;

/** The value of a label that stands for an object's name, which may be longer than a label value. */
export const labelValueOf = (name: string): string => shorten(name, MAX_LABEL_VALUE);
