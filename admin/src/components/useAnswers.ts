import { updatePerson } from "../api/client";
import type { Person } from "../api/types";
import { personName } from "../outcome";
import {
  acceptCandidate,
  become,
  nameAnew,
  type Question,
  rejectCandidate,
  takeOut,
} from "../review";
import { useIdentityChange } from "./Undo";

/** What a person can answer to a question; each can be undone. */
export function useAnswers(question: Question, onAnswered?: () => void) {
  const { stranger, candidate } = question;
  const change = useIdentityChange();

  function answer(request: () => Promise<unknown>, done: string) {
    if (!change.isPending)
      change.run(request, { done, personId: stranger?.id, onDone: onAnswered });
  }

  return {
    isPending: change.isPending,
    accept: () => answer(() => acceptCandidate(question), `This is ${personName(candidate)}.`),
    reject: () => answer(() => rejectCandidate(question), `This is not ${personName(candidate)}.`),
    pick: (person: Person) =>
      answer(() => become(question, person.id), `This is ${personName(person)}.`),
    name: (name: string) => answer(() => nameAnew(question, name), `Usher knows ${name} now.`),
    takeOut: () => answer(() => takeOut(question.detections), "Taken out: not a face."),
    ignore:
      stranger &&
      (() => answer(() => updatePerson(stranger.id, { kind: "ignored" }), "Ignored from now on.")),
  };
}
