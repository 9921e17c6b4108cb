# server/

# letterlock-sftp
OBJS_sftp = server/sftp_wire.o server/sftp_path.o server/sftp_serve.o
OBJS_letterlock-sftp = server/letterlock-sftp.o $(OBJS_sftp) \
  server/sftp_stream.o server/sftp_box.o
OBJS_test_sftp = $(OBJS_sftp)
OBJS_test_sftp_stream = server/sftp_stream.o
OBJS_fuzz_sftp = $(OBJS_sftp)
