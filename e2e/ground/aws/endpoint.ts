import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { ZodError } from 'zod';
import { messageOf } from '../../../kube/errors.ts';
import { EC2_ACTIONS } from './ec2/actions.ts';
import type { RefusalFault } from './faults.ts';
import { AwsError, dryRun } from './protocol/errors.ts';
import { flag, parseForm, text } from './protocol/form.ts';
import { ec2Answer, ec2Error, iamAnswer, iamError } from './protocol/xml.ts';
import { hexOf } from './random.ts';
import type { Region } from './region.ts';
import { eks } from './services/eks.ts';
import { iam } from './services/iam.ts';
import { pricing } from './services/pricing.ts';
import { savingsPlans } from './services/savingsplans.ts';
import { sqs } from './services/sqs.ts';
import { ssm } from './services/ssm.ts';
import { zonalShift } from './services/zonalshift.ts';

interface Request {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly service: string;
  /** The part of x-amz-target after the dot. */
  readonly target: string;
  readonly body: string;
  readonly requestId: string;
  readonly signal: AbortSignal;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How a service formats its answers and its errors. */
interface Protocol {
  action(request: Request): string;
  answer(request: Request, region: Region): Promise<Answer>;
  failure(error: AwsError, request: Request): Answer;
}

const XML = 'text/xml;charset=UTF-8';
const JSON_TYPE = 'application/x-amz-json-1.1';

const formAction = (request: Request): string => text(parseForm(request.body), 'Action') ?? '';

const ec2Protocol: Protocol = {
  action: formAction,
  answer: async (request, region) => {
    const form = parseForm(request.body);
    const action = formAction(request);
    const perform = EC2_ACTIONS.get(action);
    if (perform === undefined)
      throw new AwsError('InvalidAction', `The action ${action} is not valid for this web service.`);
    if (flag(form, 'DryRun')) throw dryRun();
    return { status: 200, type: XML, body: ec2Answer(action, request.requestId, perform(form, region)) };
  },
  failure: ({ status, code, message }, { requestId }) => ({
    status,
    type: XML,
    body: ec2Error(code, message, requestId),
  }),
};

const iamProtocol: Protocol = {
  action: formAction,
  answer: async (request, region) => {
    const action = formAction(request);
    const body = iam(action, parseForm(request.body), region);
    return { status: 200, type: XML, body: iamAnswer(action, request.requestId, body) };
  },
  failure: ({ status, code, message }, { requestId }) => ({
    status,
    type: XML,
    body: iamError(code, message, requestId),
  }),
};

const jsonProtocol = (
  serve: (request: Request, region: Region, body: unknown) => object | Promise<object>,
  action: (request: Request) => string = ({ target }) => target,
): Protocol => ({
  action,
  answer: async (request, region) => {
    const body: unknown = request.body === '' ? {} : JSON.parse(request.body);
    return { status: 200, type: JSON_TYPE, body: JSON.stringify(await serve(request, region, body)) };
  },
  failure: ({ status, code, message }) => ({
    status,
    type: JSON_TYPE,
    body: JSON.stringify({ __type: code, message }),
    headers: { 'x-amzn-errortype': code },
  }),
});

const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  ec2: ec2Protocol,
  iam: iamProtocol,
  pricing: jsonProtocol(({ target }, region, body) => pricing(target, body, region)),
  ssm: jsonProtocol(({ target }, region, body) => ssm(target, body, region)),
  sqs: jsonProtocol(({ target, signal, host }, region, body) =>
    sqs(target, body, region, signal, `http://${host}`),
  ),
  savingsplans: jsonProtocol(
    ({ path }, region, body) => savingsPlans(path.slice(1), body, region),
    ({ path }) => path.slice(1),
  ),
  eks: jsonProtocol(
    ({ method, path }, region) => eks(method, path, region),
    ({ method }) => (method === 'GET' ? 'DescribeCluster' : method),
  ),
  'arc-zonal-shift': jsonProtocol(
    ({ method, path }, region) => zonalShift(method, path, region),
    ({ method }) => (method === 'GET' ? 'GetManagedResource' : method),
  ),
};

/** EC2 answers a throttled call with 503, the JSON services with 400. */
const throttled = (service: string): AwsError =>
  service === 'ec2'
    ? new AwsError('RequestLimitExceeded', 'Request limit exceeded.', 503)
    : new AwsError('ThrottlingException', 'Rate exceeded');

/** What EC2 and the JSON services answer to credentials that have expired, and to a missing right. */
const refused = (service: string, reason: RefusalFault['reason']): AwsError => {
  const isEc2 = service === 'ec2';
  return reason === 'expired'
    ? new AwsError(
        isEc2 ? 'RequestExpired' : 'ExpiredTokenException',
        'The security token has expired',
        isEc2 ? 400 : 403,
      )
    : new AwsError(
        isEc2 ? 'UnauthorizedOperation' : 'AccessDeniedException',
        'The caller may not do this',
        isEc2 ? 403 : 400,
      );
};

const toAwsError = (error: unknown): AwsError => {
  if (error instanceof AwsError) return error;
  if (error instanceof ZodError || error instanceof SyntaxError)
    return new AwsError('ValidationException', error.message);
  return new AwsError('InternalError', messageOf(error), 500);
};

const answerTo = async (request: Request, region: Region): Promise<Answer> => {
  const protocol = PROTOCOLS[request.service];
  if (protocol === undefined)
    return jsonProtocol(() => ({})).failure(
      new AwsError('UnknownServiceException', `the endpoint does not serve ${request.service}`, 404),
      request,
    );
  try {
    const action = protocol.action(request);
    if (region.faults.takeThrottle(action)) throw throttled(request.service);
    const reason = region.faults.takeRefusal(action);
    if (reason) throw refused(request.service, reason);
    return await protocol.answer(request, region);
  } catch (error) {
    return protocol.failure(toAwsError(error), request);
  }
};

const read = async (incoming: http.IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/** The service that a request is signed for. */
const serviceOf = (authorization: string | undefined): string =>
  /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(authorization ?? '')?.[1] ?? 'unknown';

/** The endpoint's answer to one HTTP request. Never throws. */
export const createAwsListener = (region: Region): http.RequestListener => {
  let served = 0;
  return (incoming, outgoing) => {
    const gone = new AbortController();
    outgoing.on('close', () => gone.abort());
    served += 1;
    const requestId = hexOf(32, 'request', served);
    read(incoming)
      .then((body) =>
        answerTo(
          {
            method: incoming.method ?? 'GET',
            path: (incoming.url ?? '/').split('?')[0] ?? '/',
            host: incoming.headers.host ?? '',
            service: serviceOf(incoming.headers.authorization),
            target: String(incoming.headers['x-amz-target'] ?? '').split('.')[1] ?? '',
            body,
            requestId,
            signal: gone.signal,
          },
          region,
        ),
      )
      .then((answer) => {
        outgoing.writeHead(answer.status, {
          'content-type': answer.type,
          'x-amzn-requestid': requestId,
          ...answer.headers,
        });
        outgoing.end(answer.body);
      })
      .catch(() => outgoing.destroy());
  };
};

export interface Listening {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves HTTP until closed; port 0 takes a free one. Throws when the address is in use. */
export const listen = (listener: http.RequestListener, host: string, port: number): Promise<Listening> =>
  new Promise((resolve, reject) => {
    const server = http.createServer(listener);
    server.once('error', reject);
    server.listen(port, host, () => {
      const { port: taken } = server.address() as AddressInfo;
      resolve({
        url: `http://${host}:${taken}`,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
