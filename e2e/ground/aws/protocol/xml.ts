/** The parts of an XML answer. Lists become `<item>` elements, as everywhere in EC2; undefined is left out. */
export type Xml = string | number | boolean | undefined | readonly Xml[] | { readonly [name: string]: Xml };

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const escapeText = (value: string): string => value.replace(/[&<>"]/g, (c) => ESCAPES[c] ?? c);

const isList = (value: Xml): value is readonly Xml[] => Array.isArray(value);

export const renderXml = (value: Xml, itemName = 'item'): string => {
  if (value === undefined) return '';
  if (isList(value))
    return value.map((each) => `<${itemName}>${renderXml(each, itemName)}</${itemName}>`).join('');
  if (typeof value !== 'object') return escapeText(String(value));
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([name, inner]) => `<${name}>${renderXml(inner, itemName)}</${name}>`)
    .join('');
};

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';

export const ec2Answer = (action: string, requestId: string, body: Xml): string =>
  `${HEAD}<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>${requestId}</requestId>${renderXml(body)}</${action}Response>`;

export const ec2Error = (code: string, message: string, requestId: string): string =>
  `${HEAD}<Response><Errors><Error><Code>${escapeText(code)}</Code><Message>${escapeText(message)}</Message></Error></Errors><RequestID>${requestId}</RequestID></Response>`;

export const iamAnswer = (action: string, requestId: string, body: Xml): string =>
  `${HEAD}<${action}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><${action}Result>${renderXml(body, 'member')}</${action}Result><ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></${action}Response>`;

export const iamError = (code: string, message: string, requestId: string): string =>
  `${HEAD}<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>${escapeText(code)}</Code><Message>${escapeText(message)}</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`;
