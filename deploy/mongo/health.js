// Healthy: this server takes writes. On a new server, this also makes it a replica set of one.
const password = encodeURIComponent(process.env.MONGO_INITDB_ROOT_PASSWORD);
const admin = connect(`mongodb://root:${password}@127.0.0.1:27017/admin?directConnection=true`);

try {
  admin.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  admin.adminCommand({
    replSetInitiate: { _id: "usher", members: [{ _id: 0, host: "mongo:27017" }] },
  });
}
quit(admin.adminCommand({ hello: 1 }).isWritablePrimary ? 0 : 1);
