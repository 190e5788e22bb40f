/** Bodies of requests: read up to a limit, and never further. */
import type { IncomingMessage } from 'node:http';
import { ApiError } from './api-error.ts';

/**
 * @throws ApiError body_too_large as soon as that is known, bad_request for an encoding that is not read; Error if the
 * client went away
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const { 'content-length': length, 'content-encoding': encoding = 'identity' } = request.headers;
  if (encoding !== 'identity')
    return Promise.reject(new ApiError('bad_request', 'the body is compressed, which is not read'));
  if (Number(length ?? 0) > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const settle = (act: () => void): void => {
      request.off('data', add).off('end', end).off('close', gone).off('error', gone);
      act();
    };
    const add = (part: Buffer): void => {
      bytes += part.length;
      parts.push(part);
      if (bytes > maxBytes) settle(() => reject(tooLarge(maxBytes)));
    };
    const end = (): void => settle(() => resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts)));
    const gone = (): void =>
      settle(() => {
        // what breaks afterwards is of no interest
        request.on('error', () => undefined);
        reject(new Error('the client went away'));
      });
    request.on('data', add).on('end', end).on('close', gone).on('error', gone);
  });
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError('body_too_large', `the body has more than ${maxBytes} bytes`);
}
