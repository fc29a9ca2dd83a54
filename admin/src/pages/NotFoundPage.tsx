import { IconMapQuestion } from "@tabler/icons-react";
import { EmptyState } from "../components/EmptyState";
import { PageHeader } from "../components/PageHeader";

export function NotFoundPage() {
  return (
    <>
      <PageHeader title="Not found" />
      <EmptyState icon={IconMapQuestion} title="No such page">
        Nothing is at this address.
      </EmptyState>
    </>
  );
}
