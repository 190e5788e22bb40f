/** Any other server of OpenAI's calls: it says nothing of its room, so its user must. */
import type { Kind } from './kind.ts';

export const openai: Kind = {
  name: 'openai',
  health: '/v1/models',
  pages: [],
  read: () => ({}),
  isResumable: false,
  defaultBlockSize: 16,
};
