import { Button, Center } from "@mantine/core";
import type { Continuable } from "../api/queries";

export function LoadMore({ list, label = "Load more" }: { list: Continuable; label?: string }) {
  if (!list.hasNextPage) return null;
  return (
    <Center mt="lg">
      <Button
        variant="default"
        loading={list.isFetchingNextPage}
        onClick={() => void list.fetchNextPage()}
      >
        {label}
      </Button>
    </Center>
  );
}
